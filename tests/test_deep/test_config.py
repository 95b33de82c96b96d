import json
import re
import sys
from pathlib import Path

import pytest

import deep
from deep.agents import Hyper
from deep.config import FIELDS, SWEPT, Config
from deep.presets import PRESETS
from deep.registry import INVERSES, METHODS
from tests.test_deep.small import small


def test_presets_hold_the_published_constants():
    """Nikishin et al. 2021, sec. 6.1, and their code."""
    c = deep.presets.omd_cartpole()
    assert (c.steps, c.random_steps, c.batch, c.chunk, c.episodes) == (200_000, 1000, 256, 1000, 10)
    assert (c.gamma, c.alpha, c.tau, c.epsilon, c.model_lr, c.critic_lr) == (0.99, 0.01, 0.01, 0.1, 1e-3, 3e-4)
    assert (c.critic_width, c.critic_layers, c.model_layers, c.vep_values) == (32, 2, 2, 5)
    assert (c.inner_steps, c.model_steps, c.double, c.hard) == (1, 1, True, False)
    assert not c.warm_moments and c.warm_critic and c.inverse == "identity"
    assert {name: make().method for name, make in PRESETS.items()} == {
        "omd-cartpole": "omd",
        "mle-cartpole": "mle",
        "vep-cartpole": "vep",
        "q-cartpole": "model_free",
        "omd-cartpole-cg": "omd",
    }


def test_presets_take_changes():
    config = deep.presets.omd_cartpole(model_width=3, steps=50_000)
    assert config.replace(method="mle") == deep.presets.mle_cartpole(model_width=3, steps=50_000)


def test_every_field_has_a_docstring_and_all_hyper_are_fields():
    text = Path(sys.modules["deep.config"].__file__).read_text()
    body = text[text.index("class Config") : text.index("def __post_init__")]
    assert all(re.search(rf'^    {name}: .* = .*\n    """', body, re.MULTILINE) for name in FIELDS)
    assert set(Hyper._fields) <= set(FIELDS) and set(Hyper._fields) < set(SWEPT)
    assert Config().hyper() == Hyper()


@pytest.mark.parametrize("changes", [{}, {"alpha": (0.01, 0.1), "model_width": (1, 2), "precision": "float64"}])
def test_json_gives_the_same_configuration(changes):
    config = small(**changes)
    assert Config.from_json(config.to_json()) == config
    assert list(json.loads(config.to_json())) == list(FIELDS)


def test_settings_are_all_combinations():
    config = small(model_width=(1, 3), alpha=(0.1, 0.2, 0.3))
    found = [(c.model_width, c.alpha) for c in config.settings()]
    assert found == [(w, a) for w in (1, 3) for a in (0.1, 0.2, 0.3)]
    assert small().settings() == (small(),)


def test_agent_holds_what_decides_about_code():
    agent = small(method="vep", double=False, inner_steps=3, model_layers=2).agent()
    assert agent.update is METHODS["vep"] and agent.model_hidden == (3, 3) and not agent.double
    assert agent.inner_steps == 3 and agent == small(method="vep", double=False, inner_steps=3, model_layers=2).agent()


@pytest.mark.parametrize("name", INVERSES)
def test_equal_inverses_are_one_function_so_that_nothing_is_compiled_twice(name):
    assert small(inverse=name).agent() == small(inverse=name).agent()
    if name != "identity":
        other = small(inverse=name, inverse_steps=7, inverse_damping=0.5, inverse_size=0.5)
        assert other.agent() != small(inverse=name).agent()


WRONG = [
    ({"env": "cartpol"}, ValueError, r"env = 'cartpol' is unknown. Did you mean cartpole\?"),
    ({"method": "OMDD"}, ValueError, r"method = 'OMDD' is unknown. Did you mean omd"),
    ({"inverse": "cgg"}, ValueError, r"inverse = 'cgg' is unknown. Did you mean cg"),
    ({"precision": "float16"}, ValueError, r"precision = 'float16' is unknown"),
    ({"model_width": -1}, ValueError, r"model_width = -1, expected a whole number of 1 or more"),
    ({"model_width": (1, 0)}, ValueError, r"model_width\[1\] = 0, expected a whole number of 1 or more"),
    ({"model_width": 1.5}, TypeError, r"model_width = 1.5 is a float, expected a whole number"),
    ({"distractors": -2}, ValueError, r"distractors = -2, expected a whole number of 0 or more"),
    ({"steps": 210}, ValueError, r"steps = 210 is no multiple of chunk = 50: take 200 or 250"),
    ({"random_steps": 20}, ValueError, r"random_steps = 20 is no multiple of chunk = 50: take 50\."),
    ({"batch": 17}, ValueError, r"batch = 17 is more than a third of random_steps = 50.*take batch <= 16"),
    ({"batch": (4, 8)}, TypeError, r"batch = \(4, 8\): only model_width, distractors, gamma.* may hold several"),
    ({"alpha": ()}, ValueError, r"alpha = \(\), expected one or more values, all different"),
    ({"alpha": (0.1, 0.1)}, ValueError, r"expected one or more values, all different"),
    ({"alpha": 0.0}, ValueError, r"alpha = 0.0, expected a number above 0"),
    ({"alpha": float("nan")}, ValueError, r"alpha = nan, expected a number above 0"),
    ({"gamma": 1.0}, ValueError, r"gamma = 1.0, expected a number in \[0, 1\)"),
    ({"epsilon": 1.1}, ValueError, r"epsilon = 1.1, expected a number from 0 to 1"),
    ({"double": 1}, TypeError, r"double = 1 is a int, expected True or False"),
    ({"episodes": True}, TypeError, r"episodes = True is a bool, expected a whole number"),
    ({"env": "double_integrator"}, ValueError, r"soft Q-learning needs finitely many"),
    ({"metod": "mle"}, TypeError, r"no field 'metod'. Did you mean method\?"),
]


@pytest.mark.parametrize(("changes", "kind", "message"), WRONG)
def test_a_wrong_field_is_named_with_what_would_be_right(changes, kind, message):
    with pytest.raises(kind, match=message):
        small(**changes)


def test_from_json_names_an_unknown_field():
    with pytest.raises(TypeError, match=r"no field 'model_widht'. Did you mean model_width"):
        Config.from_json('{"model_widht": 3}')
