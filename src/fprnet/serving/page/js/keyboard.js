// Keys: one table for what they do and for the page that lists them.

import { byId, element, iconButton } from "./dom.js";
import { markCurrent, step, toggleHeat } from "./details.js";
import { focusedMatch } from "./matches.js";
import { mark, undo } from "./marks.js";
import { remember, remembered } from "./preferences.js";
import { refine, search } from "./search.js";
import { confirmed, state } from "./state.js";
import { onLanguage, say } from "./texts.js";

const detailsOpen = () => byId("details").open;

function markHere(verdict) {
  if (detailsOpen()) {
    markCurrent((id) => mark(id, verdict));
    return;
  }
  const position = focusedMatch();
  if (position >= 0) mark(state.answer.matches[position].id, verdict);
}

// Single keys: what they do, and whether they do it in an open dialog of details too.
const SINGLE = {
  o: { run: () => byId("files").click() },
  s: { run: search },
  m: { run: () => byId("matches").querySelector('[tabindex="0"]')?.focus() },
  r: { run: () => markHere("right"), inDetails: true },
  w: { run: () => markHere("wrong"), inDetails: true },
  u: { run: undo, inDetails: true },
  f: { run: () => state.fresh && confirmed().length && refine(true) },
  h: { run: toggleHeat, onlyInDetails: true, inDetails: true },
  ArrowLeft: { run: () => step(-1), onlyInDetails: true, inDetails: true, always: true },
  ArrowRight: { run: () => step(1), onlyInDetails: true, inDetails: true, always: true },
  "?": { run: openHelp },
};

// For the list of keys: names of the keys, and the text about them.
const LISTED = [
  [["O"], "choose"],
  [["Ctrl", "V"], "paste"],
  [["S"], "search"],
  [["Ctrl", "Enter"], "search-anywhere"],
  [["M"], "matches"],
  [["←", "→", "↑", "↓"], "walk"],
  [["Home", "End"], "ends"],
  [["Enter"], "open"],
  [["R"], "right"],
  [["W"], "wrong"],
  [["U"], "undo"],
  [["F"], "refine"],
  [["H"], "heat"],
  [["Esc"], "close"],
  [["?"], "help"],
];

let singleKeys = remembered("keys") !== "off";

const TEXT_FIELDS = "input:not([type=checkbox]):not([type=range]), textarea, select";

function pressed(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !anyDialog()) {
    event.preventDefault();
    search();
    return;
  }
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = SINGLE[name];
  if (!action || (!singleKeys && !action.always)) return;
  const range = event.target.matches('input[type="range"]') && name.startsWith("Arrow");
  if (event.target.matches(TEXT_FIELDS) || range || byId("confirm").open) return;
  if (detailsOpen() ? !action.inDetails : action.onlyInDetails || anyDialog()) return;
  event.preventDefault();
  action.run();
}

const anyDialog = () => document.querySelector("dialog[open]") !== null;

export function openHelp() {
  renderHelp();
  byId("help").showModal();
}

function renderHelp() {
  const rows = LISTED.map(([keys, key]) =>
    element(
      "tr",
      {},
      element(
        "td",
        {},
        ...keys.flatMap((name, index) => [index ? " " : null, element("kbd", {}, name)]),
      ),
      element("td", {}, say(`keys.${key}`)),
    ),
  );
  const single = element("input", {
    ...{ type: "checkbox", checked: singleKeys, id: "single-keys" },
    on: {
      change: ({ target }) => {
        singleKeys = target.checked;
        remember("keys", singleKeys ? "on" : "off");
      },
    },
  });
  byId("help").replaceChildren(
    element(
      "div",
      { class: "dialog-head" },
      element("h2", { id: "help-title" }, say("help.title")),
      iconButton("wrong", say("help.close"), () => byId("help").close(), { class: "quiet square" }),
    ),
    element(
      "div",
      { class: "help-body" },
      element("p", {}, say("help.how")),
      element("p", {}, say("help.probability")),
      element("h3", {}, say("help.keys")),
      element("table", {}, element("tbody", {}, ...rows)),
      element("label", { class: "tick" }, single, element("span", {}, say("help.single-keys"))),
      element("p", { class: "soft" }, say("help.privacy")),
    ),
  );
}

export function prepareKeyboard() {
  document.addEventListener("keydown", pressed);
  byId("help-button").addEventListener("click", openHelp);
  onLanguage(() => byId("help").open && renderHelp());
}
