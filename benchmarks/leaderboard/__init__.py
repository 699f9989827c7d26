"""Fixed panels of tasks, agents that play them, and folders that hold every turn of it.

`run_study` plays a panel into a study folder, `verify_study` replays a folder and recomputes its
figures, `render_site` makes a static site of many. Agents come by name, see `hiper_agents.agent`.
"""
