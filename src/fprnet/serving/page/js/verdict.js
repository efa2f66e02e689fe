// What the answer says as a whole: found, perhaps or probably not in the gallery, or open; warnings; next steps.

import { button, byId, element, icon, show } from "./dom.js";
import { anyFilter, clearFilters } from "./filters.js";
import { bestProbability, LIKELY, number, percent } from "./format.js";
import { exportMarks, undo } from "./marks.js";
import { announce, notify, settle } from "./notices.js";
import { isStale, refine, search, searchAsOther } from "./search.js";
import { confirmed, may, on, state } from "./state.js";
import { knows, onLanguage, say } from "./texts.js";

const GHOSTS = 6;

/** Kind, heading and sentence of the verdict. */
function judged({ matches, decision }) {
  if (!matches.length) {
    return { kind: "absent", sign: "nobody", title: say("verdict.nothing"), text: nothingBecause() };
  }
  if (!decision) {
    return { kind: "open", sign: "info", title: say("verdict.open"), text: say("verdict.open.text") };
  }
  const searches = number(Math.round(1 / decision.false_match_rate));
  const best = bestProbability(matches);
  if (!decision.in_gallery && best >= LIKELY) {
    const text = say("verdict.unsure.text", { searches, best: percent(best) });
    return { kind: "unsure", sign: "person", title: say("verdict.unsure"), text };
  }
  if (!decision.in_gallery) {
    const text = say("verdict.absent.text", { searches });
    return { kind: "absent", sign: "nobody", title: say("verdict.absent"), text };
  }
  const accepted = matches.filter((match) => match.accepted);
  const surest = bestProbability(accepted); // 0: all are of the query's own modality
  return {
    kind: "found",
    sign: "person",
    title: say("verdict.found", { count: accepted.length }),
    text: surest
      ? say("verdict.found.text", { searches, best: percent(surest) })
      : say("verdict.found.text.same", { searches }),
  };
}

const nothingBecause = () =>
  say(anyFilter() ? "verdict.nothing.filters" : "verdict.nothing.empty");

function showVerdict() {
  const { answer } = state;
  const box = byId("verdict");
  show(box, answer !== null);
  if (!answer) return;
  const { kind, sign, title, text } = judged(answer);
  box.className = `verdict ${kind}`;
  box.replaceChildren(
    icon(sign),
    element(
      "div",
      {},
      element("h3", {}, title),
      element("p", {}, text),
      !answer.matches.length && anyFilter()
        ? element("div", { class: "actions" }, button("undo", say("filters.clear"), clearAndSearch, { class: "slim" }))
        : null,
    ),
  );
}

function clearAndSearch() {
  clearFilters();
  search();
}

/** Warnings of the search and of each image, in the operator's language where the code is known. */
function showWarnings() {
  settle(...["other_modality", "animation"].map((code) => `warning-${code}`), "warning-rest");
  const { answer } = state;
  if (!answer) return;
  const all = [
    ...answer.warnings,
    ...answer.queries.flatMap(({ name, warnings }) => warnings.map((w) => ({ ...w, name }))),
  ].filter(({ code }) => code !== "not_calibrated"); // the verdict says so
  const codes = [...new Set(all.map(({ code }) => code))];
  for (const code of codes) {
    const of = all.filter((warning) => warning.code === code);
    const names = [...new Set(of.map(({ name }) => name).filter(Boolean))].join(", ");
    const about = answer.modality === "infrared" ? "" : ".visible";
    notify(knows(`warning.${code}`) ? `warning-${code}` : "warning-rest", () => ({
      kind: "warn",
      title: knows(`warning.${code}`) ? say(`warning.${code}`) : say("warning.unknown"),
      text: knows(`warning.${code}.text`)
        ? say(knows(`warning.${code}.text${about}`) ? `warning.${code}.text${about}` : `warning.${code}.text`, { names })
        : "",
      detail: knows(`warning.${code}`) ? "" : of.map(({ message }) => message).join("; "),
      actions:
        code === "other_modality"
          ? [{ icon: "search", text: say(`warning.search-as${about}`), run: searchAsOther }]
          : [],
    }));
  }
}

/** One line over the matches: how many, what has been marked, refine, undo, export. */
function showBar() {
  const { answer } = state;
  const bar = byId("bar");
  show(bar, answer !== null && answer.matches.length > 0);
  if (bar.hidden) return;
  const focused = bar.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  bar.replaceChildren(element("span", { class: "told" }, summary(answer)), ...chips(answer), ...tools());
  if (focused) (bar.querySelector(`[data-name="${focused}"]`) ?? byId("answer")).focus();
}

function summary({ matches, candidates, milliseconds }) {
  const spent = Object.values(milliseconds).reduce((sum, part) => sum + part, 0);
  const count = matches.length;
  const images =
    candidates === undefined
      ? say("bar.images", { count })
      : say("bar.among", { count, total: number(candidates) });
  return `${images} · ${number(Math.round(spent))} ms`;
}

function chips(answer) {
  if (!answer.confirmed.length) return [];
  return [
    element(
      "span",
      { class: "refined" },
      icon("refine"),
      say("bar.refined", { count: answer.confirmed.length }),
    ),
    button("undo", say("bar.unrefine"), () => refine(false), { class: "slim", "data-name": "unrefine" }),
  ];
}

function tools() {
  const right = confirmed().length;
  const again = right > 0 && String(confirmed().sort()) !== String([...state.answer.confirmed].sort());
  return [
    state.fresh && again
      ? button("refine", say("bar.refine", { count: right }), () => refine(true), {
          class: "slim primary",
          "data-name": "refine",
        })
      : null,
    state.undo.length
      ? button("undo", say("bar.undo"), undo, { class: "slim", "data-name": "undo" })
      : null,
  ].filter((tool) => tool !== null);
}

/** Under the matches: what has been marked, as files. */
function showExports() {
  const line = byId("after");
  const offered = may("export") && state.answer !== null;
  show(line, offered);
  if (!offered) {
    line.replaceChildren();
    return;
  }
  const exports = ["csv", "zip"].map((format) =>
    button("download", say(`export.${format}`), () => exportMarks(format), {
      ...{ class: "slim quiet", title: say(`export.${format}.title`), id: `export-${format}` },
    }),
  );
  line.replaceChildren(element("span", {}, say("export.all")), ...exports);
}

/** The button says what it does now; an answer to another question is faded. */
function showSearching() {
  const { searching, answer } = state;
  const stale = isStale();
  const words = searching ? "search.cancel" : stale ? "search.changed" : "search.start";
  byId("search-words").textContent = say(words);
  byId("search").firstElementChild.className = `icon icon-${searching ? "wrong" : "search"}`;
  const section = byId("answer");
  section.setAttribute("aria-busy", String(searching));
  show(byId("stale"), stale && !searching);
  show(byId("waiting"), searching && !answer);
  show(byId("empty"), !searching && !answer);
}

function showAll() {
  showVerdict();
  showBar();
  showExports();
  showSearching();
}

/** On a narrow screen the answer lies under the question. */
function bringIntoView(section) {
  const { top } = section.getBoundingClientRect();
  if (top > window.innerHeight / 2) section.scrollIntoView();
}

export function prepareVerdict() {
  byId("waiting").replaceChildren(
    ...Array.from({ length: GHOSTS }, () => element("div", { class: "ghost" })),
  );
  on("answer", () => {
    showAll();
    showWarnings();
    const { title, text } = judged(state.answer);
    const count = state.answer.matches.length;
    bringIntoView(byId("answer"));
    announce(`${title}. ${text} ${say("bar.images", { count })}`);
  });
  on("marks", () => {
    showBar();
    showSearching();
  });
  for (const event of ["searching", "images", "filters"]) on(event, showSearching);
  on("images", showBar);
  on("me", showExports);
  onLanguage(showAll);
}
