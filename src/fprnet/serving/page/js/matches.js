// The ranked images: one card each, in a list that arrow keys walk through.

import { byId, element, icon, show } from "./dom.js";
import {
  bestProbability,
  briefTime,
  grade,
  inWords,
  LIKELY,
  localTime,
  percent,
  similarity,
} from "./format.js";
import { isUnsaved, mark } from "./marks.js";
import { showWhenSeen } from "./pictures.js";
import { on, state } from "./state.js";
import { onLanguage, say } from "./texts.js";

const HEIGHT = 384; // pixels of a card's picture
const FACTS = [
  ["camera", "camera"],
  ["location", "location"],
  ["time", "clock"],
  ["identity", "person"],
];

let cards = [];
let active = 0; // the card that Tab reaches
let openDetails = () => {};

/** What is known about a match, as texts, in the order of the card; times briefly or in full. */
export function factsOf(match, time = localTime) {
  return FACTS.map(([name, sign]) => {
    if (match[name] === null) return { sign, text: say(`match.${name}.none`) };
    if (name === "time") return { sign, text: time(match.time) };
    return { sign, text: say(`match.${name}`, { number: match[name] }) };
  });
}

/** Probability as number, words and bar; similarity alone where nothing is calibrated. */
export function sureness(match) {
  const { probability } = match;
  const value = probability ?? Math.max(match.similarity, 0);
  const bar = element("i");
  bar.style.setProperty("--value", value);
  return [
    element("b", {}, probability === null ? similarity(match.similarity) : percent(probability)),
    element("span", { class: "in-words" }, probability === null ? say("match.similarity") : inWords(probability)),
    element(
      "div",
      {
        class: "meter",
        "aria-hidden": "true",
        dataset: { grade: probability === null ? "none" : grade(probability) },
      },
      bar,
    ),
  ];
}

/** The two buttons that say right or wrong; they show what is marked. */
export function markButtons(match, classes, properties = {}) {
  const marked = state.marks.get(match.id);
  return element(
    "div",
    { class: classes },
    ...["right", "wrong"].map((verdict) =>
      element(
        "button",
        {
          type: "button",
          class: `mark ${verdict}`,
          "aria-pressed": String(marked === verdict),
          "aria-label": say(`mark.${verdict}.label`, { rank: match.rank }),
          ...properties,
          on: { click: () => mark(match.id, verdict) },
        },
        icon(verdict),
        element("span", {}, say(`mark.${verdict}`)),
      ),
    ),
  );
}

export const nameOf = (match) => say("match.picture", { rank: match.rank });

function card(match, position) {
  const photo = element(
    "button",
    {
      ...{ type: "button", class: "photo", tabindex: -1 },
      "aria-label": say("match.open", { rank: match.rank }),
      on: { click: () => openDetails(position) },
    },
    element("span", { class: "rank" }, String(match.rank)),
  );
  showWhenSeen(photo, match, HEIGHT, "");
  const alike = say("match.similarity-is", { value: similarity(match.similarity) });
  const made = element(
    "li",
    {
      ...{ class: "card", tabindex: position === active ? 0 : -1 },
      dataset: { id: match.id, accepted: String(match.accepted) },
      on: {
        focus: () => activate(position),
        keydown: (event) => pressed(event, position),
      },
    },
    photo,
    element(
      "div",
      { class: "about" },
      element("div", { class: "sure" }, ...sureness(match)),
      match.probability === null ? null : element("div", { class: "fact" }, alike),
      ...factsOf(match, briefTime).map(({ sign, text }) =>
        element("div", { class: "fact" }, icon(sign), element("span", {}, text)),
      ),
    ),
  );
  made.setAttribute("aria-label", spoken(match));
  return made;
}

/** All of a card in one breath, for a screen reader. */
function spoken(match) {
  const sure =
    match.probability === null
      ? []
      : [say("match.probability-is", { words: inWords(match.probability), value: percent(match.probability) })];
  const marked = state.marks.get(match.id);
  return [
    nameOf(match),
    ...sure,
    say("match.similarity-is", { value: similarity(match.similarity) }),
    ...factsOf(match).map(({ text }) => text),
    ...(marked ? [say(`mark.is-${marked}`)] : []),
    ...(isUnsaved(match.id) ? [say("mark.saving")] : []),
  ].join(", ");
}

function badge(verdict) {
  return element(
    "span",
    { class: `badge is-${verdict}` },
    icon(verdict),
    element("span", {}, say(`mark.${verdict}`)),
  );
}

/** What changes on a card while the answer stays: its mark. */
function showMark(position) {
  const match = state.answer.matches[position];
  const made = cards[position];
  const verdict = state.marks.get(match.id);
  const focused = made.querySelector(".marks button:focus")?.classList.contains("wrong");
  if (verdict) made.dataset.mark = verdict;
  else delete made.dataset.mark;
  made.classList.toggle("unsaved", isUnsaved(match.id));
  made.querySelectorAll(".badge, .saving, .marks").forEach((old) => old.remove());
  if (verdict) made.querySelector(".photo").append(badge(verdict));
  if (match.confirmed) {
    made.querySelector(".photo").append(element("span", { class: "badge used" }, say("match.used")));
  }
  if (isUnsaved(match.id)) {
    made.append(element("p", { class: "saving" }, icon("offline"), element("span", {}, say("mark.saving"))));
  }
  const tabindex = position === active ? 0 : -1;
  made.append(markButtons(match, "marks", { tabindex }));
  made.setAttribute("aria-label", spoken(match));
  if (focused !== undefined) made.querySelectorAll(".marks button")[focused ? 1 : 0].focus();
}

function activate(position) {
  if (position === active) return;
  for (const [at, index] of [
    [active, -1],
    [position, 0],
  ]) {
    if (!cards[at]) continue;
    cards[at].tabIndex = index;
    cards[at].querySelectorAll(".marks button").forEach((button) => (button.tabIndex = index));
  }
  active = position;
}

/** Go to a card, e.g. the one whose details were open. */
export function focusMatch(position) {
  cards[position]?.focus();
}

/** Position of the card that has the focus or holds what has it; -1 without one. */
export const focusedMatch = () => cards.findIndex((made) => made.contains(document.activeElement));

function pressed(event, position) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = {
    ArrowRight: () => position + 1,
    ArrowLeft: () => position - 1,
    ArrowDown: () => nextRow(position, 1),
    ArrowUp: () => nextRow(position, -1),
    Home: () => 0,
    End: () => cards.length - 1,
  }[event.key];
  if (target) {
    event.preventDefault();
    const to = target();
    if (cards[to]) focusMatch(to);
  } else if (event.key === "Enter" && event.target === event.currentTarget) {
    event.preventDefault();
    openDetails(position);
  }
}

/** The card above or below: the nearest one of the next row. */
function nextRow(position, direction) {
  const { offsetTop: top, offsetLeft: left } = cards[position];
  let best = position;
  for (let at = position + direction; cards[at]; at += direction) {
    const made = cards[at];
    if (made.offsetTop === top) continue;
    if (best !== position && made.offsetTop !== cards[best].offsetTop) break;
    const nearer = Math.abs(made.offsetLeft - left) < Math.abs(cards[best].offsetLeft - left);
    if (best === position || nearer) best = at;
  }
  return best;
}

const divider = (kind, text) =>
  element("li", { class: `divider ${kind}` }, element("span", {}, text));

/** Position of a card -> the line above it that says where acceptable matches end. */
function threshold(matches) {
  if (matches.every((match) => match.accepted !== false)) return new Map();
  // Re-ranked matches are not in the order of their similarities: the line is below all accepted.
  const first = matches.findLastIndex((match) => match.accepted) + 1;
  const unsure = bestProbability(matches.slice(first)) >= LIKELY;
  const text = say(unsure ? "matches.below.unsure" : "matches.below");
  return new Map([[first, divider("below", text)]]);
}

/** Position of a card -> the line above it that says whose images follow. */
function peopleHeadings(matches) {
  const headings = new Map();
  matches.forEach(({ identity, accepted }, position) => {
    if (position > 0 && matches[position - 1].identity === identity) return;
    const after = matches.slice(position).findIndex((match) => match.identity !== identity);
    const count = after < 0 ? matches.length - position : after;
    const name = identity === null ? "matches.unknown" : "matches.person";
    const whose = say(name, { count, number: identity });
    const text = accepted === false ? `${whose} · ${say("matches.not-accepted")}` : whose;
    headings.set(position, divider(accepted === false ? "below" : "person", text));
  });
  return headings;
}

function render() {
  const list = byId("matches");
  const matches = state.answer?.matches ?? [];
  const focused = focusedMatch();
  cards = matches.map(card);
  const headings = state.answer?.people.length ? peopleHeadings(matches) : threshold(matches);
  list.replaceChildren(
    ...cards.flatMap((made, position) =>
      headings.has(position) ? [headings.get(position), made] : [made],
    ),
  );
  cards.forEach((_, position) => showMark(position));
  show(list, matches.length > 0);
  if (focused >= 0) focusMatch(Math.min(focused, cards.length - 1));
}

/** @param {function(number)} open Opens the details of the match at a position. */
export function prepareMatches(open) {
  openDetails = open;
  on("answer", () => {
    active = 0;
    render();
  });
  on("marks", (id) => {
    const position = state.answer.matches.findIndex((match) => match.id === id);
    if (position >= 0) showMark(position);
  });
  onLanguage(render);
}
