"""The learning study behind `python -m benchmarks.credit_assignment`.

| module | what it knows |
|---|---|
| `cells` | what is trained: estimator, seed, environment setting, ablation; and where it is kept |
| `worker` | trains and evaluates one cell, and goes on with one that was stopped |
| `runner` | works through many cells, one process a core; `progress` shows how it goes |
| `tuning` | the same small grid for every estimator, and which point of it is chosen |
| `merging` | puts folders of several machines together, and refuses what does not fit |
| `statistics`, `thresholds` | intervals, paired tests, slopes; turns to a success rate |
| `analysis` | from finished cells to figures |
| `pictures`, `report` | from figures to pictures and to one page |
"""
