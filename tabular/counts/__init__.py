"""Models from data: counts of transitions, what they estimate, and what the estimate can cost.

From transitions `(s, a, r, s')` come the visits `n[s, a]`, the counts `N[s, a, s']`, and from these

    P_hat = N / n,   r_hat = mean reward                      maximum likelihood: `Counts.mdp`
    P | data ~ Dirichlet(N + prior) in each row               posterior: `Counts.sample`, `Counts.posterior_mean`
    |P - P_hat|_1 <= radius in every row, at level 1 - delta  confidence: `confidence`

and, through the bounds of `tabular.mismatch` and through the best and the worst MDP of the confidence set, how far Q*
can be from Q_hat and how much return the estimate's policy can lose: `certificate`.
"""

from tabular.counts.certificate import Certificate, certificate, extreme_rows
from tabular.counts.confidence import Confidence, bernstein_radius, confidence, hoeffding_radius, weissman_radius
from tabular.counts.counting import Counts, from_table, from_transitions

__all__ = [
    "Certificate",
    "Confidence",
    "Counts",
    "bernstein_radius",
    "certificate",
    "confidence",
    "extreme_rows",
    "from_table",
    "from_transitions",
    "hoeffding_radius",
    "weissman_radius",
]
