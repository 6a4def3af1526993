"""The dashboard: a local page over an analyst's session, for people who would rather not type commands.

Modules: ``application`` (routes) · ``server`` (port, link, life of the process) · ``state`` (what the process holds) ·
``questions`` (a question priced, then run) · ``security`` (who may ask) · ``pages`` (one module a page) · ``graphics``
(inline SVG) · ``templates``, ``static`` (HTML, style, htmx).

Guarantees:  no privacy logic of its own: every question goes through the session as the command line's does, is priced
             before it is confirmed, and is charged by the sites before anything is released. Nothing is fetched from
             outside the package.
See instead: the commands (``federation.cli``), the session (``federation.client``).
"""
