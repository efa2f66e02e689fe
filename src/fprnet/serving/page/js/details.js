// One match beside the query: similarity by level of the pyramid and by stripe of the body, heat maps.

import { call, isAborted } from "./api.js";
import { button, byId, element, icon, iconButton } from "./dom.js";
import { similarity } from "./format.js";
import { factsOf, focusMatch, markButtons, nameOf, sureness } from "./matches.js";
import { announce, describeProblem } from "./notices.js";
import { placeholder, showPicture } from "./pictures.js";
import { removalButtons } from "./removal.js";
import { withSearch } from "./search.js";
import { on, state } from "./state.js";
import { onLanguage, say } from "./texts.js";

const HEIGHT = 640; // pixels of the large picture

let position = 0;
let query = 0; // which of the query images
let part = null; // name of the part of the embedding whose stripes are shown
let heat = { on: true, strength: 0.8 };
let explanation = null; // answer, or an error
let loading = null; // AbortController

const dialog = () => byId("details");
const isOpen = () => dialog().open;
const current = () => state.answer.matches[position];

export function openDetails(at) {
  if (!state.answer?.matches[at]) return;
  position = at;
  query = Math.min(query, state.answer.queries.length - 1);
  explain();
  render();
  if (!isOpen()) dialog().showModal();
  dialog().scrollTop = 0;
  announce(nameOf(current()));
}

/** To the match before (-1) or after (1). */
export function step(by) {
  if (state.answer.matches[position + by]) openDetails(position + by);
}

export function markCurrent(run) {
  run(current().id);
}

export function toggleHeat() {
  heat = { ...heat, on: !heat.on };
  showHeat();
  announce(say(heat.on ? "details.heat.is-on" : "details.heat.is-off"));
}

async function explain() {
  loading?.abort();
  const controller = new AbortController();
  loading = controller;
  explanation = null;
  const { answer } = state;
  const match = current();
  try {
    const got = await withSearch(answer, (search) =>
      call("POST", "v1/explanations", {
        json: { search, match: match.id, query },
        signal: controller.signal,
      }),
    );
    if (loading === controller) explanation = got;
  } catch (error) {
    if (isAborted(error) || loading !== controller) return;
    explanation = error;
  }
  if (loading === controller && isOpen()) {
    showReasons();
    showHeat();
  }
}

function render() {
  const match = current();
  const count = state.answer.matches.length;
  const focused = dialog().contains(document.activeElement) ? document.activeElement.id : null;
  dialog().replaceChildren(
    element(
      "div",
      { class: "dialog-head" },
      element("h2", { id: "details-title" }, say("details.title", { rank: match.rank, count })),
      iconButton("previous", say("details.previous"), () => step(-1), {
        ...{ id: "details-previous", class: "quiet square", disabled: position === 0 },
      }),
      iconButton("next", say("details.next"), () => step(1), {
        ...{ id: "details-next", class: "quiet square", disabled: position === count - 1 },
      }),
      iconButton("wrong", say("details.close"), () => dialog().close(), {
        ...{ id: "details-close", class: "quiet square" },
      }),
    ),
    element(
      "div",
      { class: "details-body" },
      element("div", { class: "side-by-side" }, compared(match), reasons(match)),
      ...removalButtons(match),
    ),
  );
  showReasons();
  showHeat();
  if (focused) (byId(focused)?.disabled ? byId("details-close") : byId(focused))?.focus();
}

function frame(id, alternative) {
  return element("div", { class: "frame", id, role: "group", "aria-label": alternative });
}

function compared(match) {
  const mine = frame("query-frame", say("details.query"));
  const image = state.images[query];
  if (state.fresh && image?.url) {
    mine.append(element("img", { src: image.url, alt: say("images.preview", { name: image.name }) }));
  } else mine.append(placeholder(say("picture.not-shown")));
  const theirs = frame("match-frame", say("details.match"));
  showPicture(theirs, match, HEIGHT, [nameOf(match), ...factsOf(match).map((f) => f.text)].join(", "));
  return element(
    "div",
    { class: "compare" },
    element("figure", {}, element("figcaption", {}, say("details.query")), mine),
    element("p", { class: "middle-title" }, say("details.stripes")),
    element("div", { class: "bands", id: "bands", role: "list", "aria-label": say("details.stripes.label") }),
    element("figure", {}, element("figcaption", {}, say("details.match")), theirs),
    heatControls(),
    queryChoice(),
  );
}

function heatControls() {
  const box = element("input", {
    ...{ type: "checkbox", id: "heat-on", checked: heat.on },
    on: {
      change: (event) => {
        heat = { ...heat, on: event.target.checked };
        showHeat();
      },
    },
  });
  const slider = element("input", {
    ...{ type: "range", id: "heat-strength", min: 10, max: 100, value: 100 * heat.strength },
    on: {
      input: (event) => {
        heat = { on: true, strength: event.target.value / 100 };
        showHeat();
      },
    },
  });
  return element(
    "div",
    { class: "heat-row", id: "heat-row", hidden: true },
    element("label", {}, box, icon("heat"), say("details.heat")),
    element("label", {}, say("details.heat.strength"), slider),
  );
}

function queryChoice() {
  if (state.answer.queries.length < 2) return null;
  return element(
    "div",
    { class: "queries", role: "group", "aria-label": say("details.which-query") },
    ...state.answer.queries.map(({ name }, index) =>
      button(null, `${index + 1} · ${name}`, () => choose(index), {
        ...{ class: "slim", "aria-pressed": String(index === query), id: `query-${index}` },
      }),
    ),
  );
}

function choose(index) {
  query = index;
  explain();
  render();
}

function reasons(match) {
  return element(
    "div",
    { class: "reasons" },
    element(
      "div",
      {},
      element("div", { class: "sure big-sure" }, ...sureness(match)),
      element("p", { class: "soft" }, say("match.similarity-is", { value: similarity(match.similarity) })),
    ),
    markButtons(match, "decide"),
    element(
      "ul",
      { class: "fact-list" },
      ...factsOf(match).map(({ sign, text }) =>
        element("li", { class: "fact" }, icon(sign), element("span", {}, text)),
      ),
    ),
    element("div", { id: "why", role: "status" }),
    element("p", { class: "soft small" }, say("page.ethics")),
  );
}

/** Parts have names for programs: "main", "level3"; others are said as they are. */
function nameOfPart(name) {
  const numbered = /^level(\d+)$/.exec(name);
  if (numbered) return say("details.level", { number: numbered[1] });
  return name === "main" ? say("details.level.main") : name;
}

function showReasons() {
  const why = byId("why");
  if (explanation === null || explanation instanceof Error) {
    byId("bands").replaceChildren();
    why.replaceChildren(...(explanation === null ? loadingLine() : failedLines()));
    return;
  }
  const { parts } = explanation;
  if (!parts.some(({ name }) => name === part)) part = finest(parts).name;
  why.replaceChildren(
    element("h3", {}, say("details.why")),
    element("p", { class: "soft small" }, say("details.why.text")),
    partTable(parts),
  );
  showStripes();
}

const loadingLine = () => [element("p", { class: "soft" }, say("details.loading"))];

function failedLines() {
  const { title, text } = describeProblem(explanation);
  return [
    element("p", {}, element("strong", {}, title), ` ${text}`),
    button("retry", say("search.again"), again, { class: "slim" }),
  ];
}

function again() {
  explain();
  showReasons();
}

const stripesOf = ({ query_stripes: stripes }) => stripes.length;
const finest = (parts) =>
  parts.reduce((one, other) => (stripesOf(other) > stripesOf(one) ? other : one));

/** Bar for a value from -1 to 1; below zero it speaks against the match. */
function line(value, side = "") {
  const bar = element("i");
  bar.style.setProperty("--value", Math.min(Math.abs(value), 1));
  const against = value < 0 ? " against" : "";
  return element("div", { class: `line ${side}${against}`, "aria-hidden": "true" }, bar);
}

function partTable(parts) {
  const head = ["details.level.head", "details.alike", "details.alike.value", "details.share"];
  return element(
    "table",
    { class: "levels" },
    element(
      "thead",
      {},
      element("tr", {}, ...head.map((key) => element("th", { scope: "col" }, say(key)))),
    ),
    element("tbody", {}, ...parts.map(partRow)),
  );
}

function partRow(shown) {
  const { name, cosine, share } = shown;
  const count = stripesOf(shown);
  const choice = element(
    "button",
    {
      ...{ type: "button", class: "slim", "aria-pressed": String(name === part) },
      dataset: { part: name },
      on: { click: () => choosePart(name) },
    },
    element("span", {}, nameOfPart(name)),
    element("small", {}, count === 1 ? say("details.whole-body") : say("details.stripe-count", { count })),
  );
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, choice),
    element("td", {}, line(cosine)),
    element("td", {}, similarity(cosine)),
    element("td", {}, similarity(share)),
  );
}

function choosePart(name) {
  part = name;
  for (const choice of byId("why").querySelectorAll("[data-part]")) {
    choice.setAttribute("aria-pressed", String(choice.dataset.part === name));
  }
  showStripes();
}

/** What each stripe of either image adds to the similarity, beside the pictures. */
function showStripes() {
  const shown = explanation.parts.find(({ name }) => name === part);
  const { query_stripes: queryValues, match_stripes: matchValues } = shown;
  const count = stripesOf(shown);
  const most = Math.max(...[...queryValues, ...matchValues].map(Math.abs), Number.EPSILON);
  byId("bands").replaceChildren(
    ...queryValues.map((value, index) => {
      const values = { query: similarity(value), match: similarity(matchValues[index]) };
      const band = element(
        "div",
        { class: "band", role: "listitem", "aria-label": say("details.stripe", { number: index + 1, ...values }) },
        element("span", {}, values.query),
        element("span", {}, values.match),
        line(value / most, "of-query"),
        line(matchValues[index] / most, "of-match"),
      );
      band.style.setProperty("--top", index / count);
      band.style.setProperty("--bottom", (index + 1) / count);
      return band;
    }),
  );
  for (const id of ["query-frame", "match-frame"]) {
    byId(id).querySelectorAll(".stripe-line").forEach((old) => old.remove());
    for (let index = 1; index < count; index += 1) {
      const mark = element("div", { class: "stripe-line" });
      mark.style.setProperty("--top", index / count);
      byId(id).append(mark);
    }
  }
}

/** The heat map is the photograph with colours where it is like the other one; it is laid over it. */
function showHeat() {
  const maps = explanation?.heat_maps;
  byId("heat-row").hidden = !maps;
  byId("heat-on").checked = heat.on;
  if (!maps) return;
  for (const side of ["query", "match"]) {
    const box = byId(`${side}-frame`);
    box.style.setProperty("--heat", heat.on ? heat.strength : 0);
    if (box.querySelector(".heat")) continue;
    const alt = say(`details.heat.${side}`);
    box.append(element("img", { class: "heat", src: maps[side], alt }));
  }
}

export function prepareDetails() {
  dialog().addEventListener("close", () => {
    loading?.abort();
    focusMatch(position);
  });
  on("marks", () => {
    if (!isOpen()) return;
    const old = dialog().querySelector(".decide");
    const focused = [...old.children].indexOf(document.activeElement);
    const fresh = markButtons(current(), "decide");
    old.replaceWith(fresh);
    if (focused >= 0) fresh.children[focused].focus();
  });
  on("answer", () => isOpen() && dialog().close());
  onLanguage(() => isOpen() && render());
}
