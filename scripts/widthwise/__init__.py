"""Widthwise: what happens to the training loss as a network gets wider.

One module per concept. Modules import in one direction only, from the ground up: `architecture`, `seeding`
and `volumes` know nothing of the others; `network` and `initialisation` build on `architecture`; `training`
on all of these. None of them knows a path, a rule or a circumstance's name.
"""
