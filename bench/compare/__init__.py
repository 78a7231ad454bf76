"""Side by side with what users would pick instead.

| module | what it is |
|---|---|
| `__main__` | the command line |
| `course` | rounds over peers, each in a fresh process; collects their rows |
| `trial` | such a process: one peer, started twice at most, and measured |
| `work` | the work items, the same functions for all |
| `measure` | the five tests |
| `peers/` | one class a peer: how it is started, given a task, and asked for the result |
| `raw` | what the machine can do without any of them |
| `figures` | percentiles, medians, and how many tasks a measurement takes |
| `goals` | what we want to reach, and whether it is |
| `report` | rows as Markdown |
| `machine` | on what it was measured |
| `children` | child processes and free ports |
| `guard` | leaves no process behind, however this ends |
"""
