"""Trainings: the form, the plan and its price, runs with loss and epsilon as they go, checkpoints.

Layer:       federation.dashboard.pages.
Guarantees:  a training begins only by confirming a plan that was shown, and once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from analytics.errors import InvalidRequestError
from analytics.text_tables import cell_text
from crossward.base_error import CrosswardError
from federation.dashboard.graphics.line_chart import line_chart
from federation.dashboard.rendering import form_of, is_fragment, page, state_of
from federation.dashboard.training_jobs import model_file, summary_of, task_text
from federation.dashboard.training_plan import TrainingPlan, plan_of
from federation.display.error_text import sentence
from federation.training.models.registry import DEFAULT_MODEL, MODELS
from federation.training.task import PAILLIER, SHARES

if TYPE_CHECKING:
    from starlette.requests import Request

    from federation.dashboard.form_fields import Fields
    from federation.dashboard.training_jobs import TrainingJob, TrainingJobs

EXACT = "exact"
USUAL_ROUNDS = 20


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/training", show, methods=["GET", "POST"]),
        Route("/training/start", start, methods=["POST"]),
        Route("/training/resume", resume, methods=["POST"]),
        Route("/training/{key}/model.json", model),
        Route("/training/{key}", show_run),
    ]


def show(request: Request) -> Response:
    """The form, the runs and the checkpoints; of a POST with the plan of what the form holds."""
    state, fields = state_of(request), form_of(request)
    plan: TrainingPlan | None = None
    key = problem = ""
    status = 200
    if request.method == "POST":
        try:
            plan = plan_of(state.session, task_values(fields))
            if plan.can_run:
                key = state.keep_plan(plan)
        except CrosswardError as error:
            problem, status = sentence(error), 200 if is_fragment(request) else 422
    if is_fragment(request):
        return page(request, "parts/training_plan", plan=plan, key=key, problem=problem)
    tables, consortium = state.session.tables, state.session.consortium.file
    return page(
        request,
        "training",
        status=status,
        plan=plan,
        key=key,
        problem=problem,
        fields=fields,
        tables=tables,
        columns=tables.rows(),
        has_helpers=consortium.aggregator is not None and consortium.keyholder is not None,
        models=list(MODELS),
        default_model=DEFAULT_MODEL,
        jobs=_jobs(request).all(),
        kept=_jobs(request).kept(),
        has_folder=_jobs(request).folder is not None,
    )


def start(request: Request) -> Response:
    """Begin what a plan was shown for, once."""
    plan = state_of(request).take_plan(form_of(request).text("key"))
    if plan is None:
        problem = "this plan was confirmed before, or is too old; nothing was started this time"
        return page(
            request, "problem", status=409, title="Nothing was started", problem=problem, back="/training"
        )
    job = _jobs(request).start(plan.task, task_text(plan.values))
    return RedirectResponse(f"/training/{job.key}", 303)


def resume(request: Request) -> Response:
    """Go on with a checkpoint; the rounds that are not charged yet are charged."""
    job = _jobs(request).resume(form_of(request).text("name"))
    return RedirectResponse(f"/training/{job.key}", 303)


def show_run(request: Request) -> Response:
    """One run; htmx gets the part that changes."""
    job = _jobs(request).find(request.path_params["key"])
    if job is None:
        problem = "it belongs to an earlier dashboard; its checkpoint can go on from the page of trainings"
        return page(request, "problem", status=404, title="No such run", problem=problem, back="/training")
    shown = _run(job)
    if is_fragment(request):
        return page(request, "parts/run", job=job, **shown)
    return page(request, "run", job=job, **shown)


def model(request: Request) -> Response:
    """The model's file."""
    job = _jobs(request).find(request.path_params["key"])
    if job is None or job.outcome is None:
        return page(
            request, "problem", status=404, title="No model yet", problem="the run has none", back="/training"
        )
    headers = {"Content-Disposition": 'attachment; filename="model.json"'}
    return Response(model_file(job.outcome), headers=headers, media_type="application/json")


def task_values(fields: Fields) -> dict[str, Any]:
    """Read the form as the keys of a task file; an empty field keeps its default.

    Raises:
        InvalidRequestError: a field holds no number.
    """
    table = fields.text("table")
    named = [each.partition(":") for each in fields.all("feature")]
    values: dict[str, Any] = {
        "table": table,
        "features": [name for where, _, name in named if where == table],
        "target": fields.text("target"),
        "model": fields.text("model") or DEFAULT_MODEL,
        "rounds": fields.whole("rounds", "rounds") or USUAL_ROUNDS,
        "report_loss": fields.has("report_loss"),
        "aggregation": SHARES if fields.text("aggregation") == SHARES else PAILLIER,
    }
    texts = {name: fields.text(name) for name in ("learning_rate", "clip_norm", "l2", "purpose")}
    values |= {name: text for name, text in texts.items() if text}
    units = fields.whole("expected_units", "expected people")
    if units is not None:
        values["expected_units"] = units
    if fields.text("mode") == EXACT:
        return values | {"exact": True}
    if not fields.text("epsilon"):
        raise InvalidRequestError(parameter="epsilon", reason="is missing: it pays for the whole run")
    return values | {"epsilon": fields.text("epsilon")}


def _jobs(request: Request) -> TrainingJobs:
    jobs = state_of(request).jobs
    if jobs is None:
        raise InvalidRequestError(parameter="training", reason="is not offered by this dashboard")
    return jobs


def _run(job: TrainingJob) -> dict[str, Any]:
    """Charts, figures and the model of a run so far."""
    steps = list(job.progress)
    last = float(job.task.rounds)
    losses = [(float(each.round_number), each.loss) for each in steps if each.loss is not None]
    prices = [(float(each.round_number), each.epsilon) for each in steps if each.epsilon is not None]
    return {
        "last": steps[-1] if steps else None,
        "loss": line_chart(losses, last=last, name="loss", label="Loss by round; the table has the figures"),
        "epsilon": line_chart(
            prices, last=last, name="epsilon", label="Epsilon spent by round; the table has the figures"
        ),
        "rows": [
            (
                f"{each.round_number}",
                "" if each.loss is None else f"{each.loss:.4f}",
                "" if each.epsilon is None else f"{each.epsilon:.4f}",
                ", ".join(each.lost),
            )
            for each in steps[-200:]
        ],
        "summary": [] if job.outcome is None else list(_flat(summary_of(job.outcome))),
    }


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """A model's summary as names and values."""
    found = list[tuple[str, str]]()
    for name, value in values.items():
        where = f"{before}{name}"
        if isinstance(value, Mapping):
            found += _flat(value, f"{where} ")
        else:
            found.append((where, cell_text(value)))
    return found
