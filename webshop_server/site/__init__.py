"""The web site of the shop: pages for people, a JSON API for programs, sessions that survive.

Needs the extra `webshop` (flask, waitress); nothing outside this package imports it at import time.

| module | what it knows |
|---|---|
| `config` | everything that can be set |
| `sessions`, `database` | shoppers, and how their state is kept |
| `api`, `schemas`, `openapi` | the JSON API and its description |
| `views`, `pages`, `verdict`, `pictures` | the pages, and what they show |
| `security`, `errors` | who may do what, and what is answered otherwise |
| `operator`, `metrics`, `logs` | what the operator gets to see |
| `app`, `server` | the application, and the process that serves it |
"""
