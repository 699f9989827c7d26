from hiper_agents.environments import make_env
from hiper_agents.llm.episode_memory import MALFORMED, EpisodeMemory
from hiper_agents.llm.turns import PastTurn
from hiper_envs.core import Episode
from hiper_envs.tags import render


def views(texts, keep):
    episode = Episode(make_env("HiPER-ALFWorld-v0", "generated").source.open(0), 50)
    memory = EpisodeMemory(keep, strategy="be quick")
    seen = [episode.observation]
    yield memory.view(episode.observation, episode.info, plan="find it"), seen
    for text in texts:
        episode.step(text)
        yield memory.view(episode.observation, episode.info), seen
        seen.append(episode.observation)


def test_views_of_an_episode():
    texts = [
        render("look", switch=True, subgoal="look around"),
        render("inventory"),
        "<action>",
        render("help", switch=True, subgoal="get help"),
    ]
    told = list(views(texts, keep=3))
    seen = told[-1][1]
    told = [view for view, _ in told]
    assert [view.turn for view in told] == [0, 1, 2, 3, 4]
    assert [view.subgoal for view in told] == ["", *["look around"] * 3, "get help"]
    assert [view.option_step for view in told] == [0, 1, 2, 3, 1]
    assert [view.plan for view in told] == ["find it", "", "", "", ""]
    assert {view.strategy for view in told} == {"be quick"}
    assert told[0].history == ()
    # The turn that began an option is told with the subgoal that it chose.
    assert told[1].history == (PastTurn(seen[0], "look around", "look"),)
    assert told[-1].history == (
        PastTurn(seen[1], "look around", "inventory"),
        PastTurn(seen[2], "look around", MALFORMED),
        PastTurn(seen[3], "get help", "help"),
    )
    assert told[2].admissible


def test_nothing_is_kept_where_nothing_is_wanted():
    assert [view.history for view, _ in views(["look", "look"], keep=0)] == [(), (), ()]
