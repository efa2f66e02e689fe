// The dialog of unknown people: who was grouped, what cameras saw last, and what the operator does.

import { call } from "./api.js";
import { button, byId, element, icon, iconButton, show } from "./dom.js";
import { briefTime, number, percent } from "./format.js";
import { announce, describeProblem } from "./notices.js";
import { personView } from "./person.js";
import { showWhenSeen } from "./pictures.js";
import { refreshGallery } from "./session.js";
import { may, on, state } from "./state.js";
import { strip } from "./strips.js";
import { isolated, onLanguage, say } from "./texts.js";

const HEIGHT = 256; // pixels of a person's picture
const RATES = [0.01, 0.05, 0.1, 0.3]; // of false links
const NEWEST = 20; // tracklets in the list

let view = { name: "list" };
let content = null; // what the service said for this view
let told = null; // {title, text, detail, actions}: what has happened last, or gone wrong
let rate = RATES[0];

const dialog = () => byId("people");

async function open(next) {
  view = next;
  content = null;
  render();
  if (!dialog().open) dialog().showModal();
  try {
    content = await load(next);
    if (view === next) render();
  } catch (error) {
    if (view === next) fail(error);
  }
}

async function load({ name, id }) {
  if (name === "person") {
    const [details, all] = await Promise.all([
      call("GET", `v1/people/${id}`),
      call("GET", "v1/people?limit=1000"),
    ]);
    return { ...details, others: all.people.filter((other) => other.id !== id) };
  }
  if (name === "alike") return call("POST", "v1/tracklets/search", { json: { tracklet: id } });
  const [people, tracklets, steps] = await Promise.all([
    call("GET", "v1/people"),
    call("GET", `v1/tracklets?limit=${NEWEST}`),
    call("GET", "v1/grouping/steps"),
  ]);
  return { ...people, ...tracklets, ...steps };
}

/** Where the operator wants to go: what was said before is over. */
function go(next) {
  told = null;
  return open(next);
}

function fail(error) {
  told = describeProblem(error);
  render();
}

/** Change something; then say what was done, and show the people as they are now. */
async function change(path, json, describe, next = view) {
  told = null;
  try {
    const done = await call("POST", path, json === null ? {} : { json });
    told = describe(done);
    announce(told.title);
    await open(next);
    refreshGallery();
  } catch (error) {
    fail(error);
  }
}

const group = () =>
  change("v1/grouping", { false_link_rate: rate }, (done) => ({
    title: say("people.grouped", { units: number(done.units), joined: number(done.joined) }),
    text: say("people.grouped.new", { count: done.people.length }),
    actions: done.alike.slice(0, 3).map(({ people: [one, other] }) => ({
      icon: "person",
      text: say("people.alike", { one, other }),
      run: () => go({ name: "person", id: other }),
    })),
  }));

const undo = (step) =>
  change(`v1/grouping/steps/${step.id}/undo`, null, () => ({ title: say("people.undone") }), {
    name: "list",
  });

const actions = {
  back: () => go({ name: "list" }),
  findAlike: (id) => go({ name: "alike", id }),
  openPerson: (id) => go({ name: "person", id }),
  rename: (id, name) =>
    change(`v1/people/${id}/name`, { name }, () => ({
      title: name === null ? say("person.unnamed") : say("person.named", { name }),
    })),
  merge: (id, other) =>
    change(`v1/people/${id}/merge`, { others: [other] }, () => ({
      title: say("person.merged", { one: id, other }),
    })),
  split: (id, tracklets, images) =>
    change(`v1/people/${id}/split`, { tracklets, images }, (done) => ({
      title: say("person.split-done", { number: Math.max(...done.people) }),
    })),
};

const titleOf = (person) =>
  person.names.length
    ? `${person.names.map(isolated).join(", ")} · ${say("people.number", { number: person.id })}`
    : say("people.number", { number: person.id });

function card(person) {
  const photo = element("span", { class: "photo" });
  showWhenSeen(photo, { id: person.picture, image: true }, HEIGHT, "");
  const seen = [
    say("people.tracklets", { count: person.tracklets }),
    ...(person.images ? [say("people.images", { count: person.images })] : []),
    say("gallery.cameras", { count: person.cameras.length }),
  ];
  return element(
    "li",
    {},
    element(
      "button",
      {
        ...{ type: "button", class: "person-card", dataset: { person: person.id } },
        on: { click: () => actions.openPerson(person.id) },
      },
      photo,
      element("strong", {}, titleOf(person)),
      element("span", { class: "small" }, seen.join(" · ")),
      element("span", { class: "small soft" }, person.last ? briefTime(person.last) : ""),
    ),
  );
}

function tools() {
  const step = content.steps.find(({ undoes, undone }) => undoes === null && !undone);
  const chosen = element(
    "select",
    { id: "link-rate", on: { change: ({ target }) => (rate = Number(target.value)) } },
    ...RATES.map((value) =>
      element("option", { value, selected: value === rate }, percent(value)),
    ),
  );
  return element(
    "div",
    { class: "people-tools" },
    button("refine", say("people.group"), group, { class: "primary", id: "group-people" }),
    element("label", { class: "small" }, say("people.rate"), chosen),
    step
      ? button("undo", say("people.undo", { what: say(`step.${step.kind}`) }), () => undo(step), {
          ...{ class: "quiet", id: "undo-step" },
        })
      : null,
  );
}

function listView() {
  const { people, tracklets } = content;
  const find = (one) => [
    button("search", say("strip.find"), () => actions.findAlike(one.id), { class: "slim quiet" }),
    one.person === null
      ? null
      : button("person", say("people.number", { number: one.person }), () =>
          actions.openPerson(one.person),
          { class: "slim quiet" },
        ),
  ];
  return [
    may("group") && state.gallery?.calibrated ? tools() : null,
    people.length
      ? element("ul", { class: "people-list" }, ...people.map(card))
      : element("p", { class: "soft" }, say("people.none")),
    tracklets.length ? element("h3", {}, say("people.newest")) : null,
    element(
      "ul",
      { class: "strips" },
      ...tracklets.map((one) => strip(one, { controls: find(one) })),
    ),
  ];
}

function alikeView() {
  const { matches, thresholds } = content;
  const found = matches.some(({ accepted }) => accepted);
  const verdict = Object.keys(thresholds).length
    ? say(found ? "alike.found" : "alike.nobody")
    : say("alike.uncalibrated");
  return [
    element("p", {}, verdict),
    element(
      "ol",
      { class: "strips" },
      ...matches.map((match) => {
        const { person } = match.tracklet;
        const who =
          person === null
            ? null
            : button("person", say("people.number", { number: person }), () =>
                actions.openPerson(person),
                { class: "slim quiet" },
              );
        return strip(match.tracklet, { match, controls: [who] });
      }),
    ),
  ];
}

function title() {
  if (view.name === "person") {
    return content ? titleOf(content.person) : say("people.number", { number: view.id });
  }
  if (view.name === "alike") return say("alike.title", { number: view.id });
  return say("people.title");
}

function notice() {
  if (!told) return null;
  const buttons = (told.actions ?? []).map(({ icon: sign, text, run }) =>
    button(sign, text, run, { class: "slim" }),
  );
  return element(
    "div",
    { class: `notice ${told.kind ?? "info"}`, role: "status" },
    icon(told.icon ?? "info"),
    element(
      "div",
      { class: "what" },
      element("strong", {}, told.title),
      told.text ? element("p", {}, told.text) : null,
      told.detail ? element("p", { class: "detail", lang: "en" }, told.detail) : null,
      buttons.length ? element("div", { class: "actions" }, ...buttons) : null,
    ),
  );
}

const VIEWS = { list: listView, alike: alikeView, person: () => personView(content, actions) };

function render() {
  const body = content
    ? VIEWS[view.name]()
    : [element("p", { class: "soft" }, say(told ? "people.failed" : "people.loading"))];
  dialog().replaceChildren(
    element(
      "div",
      { class: "dialog-head" },
      view.name === "list"
        ? null
        : iconButton("previous", say("people.back"), actions.back, { class: "quiet square" }),
      element("h2", { id: "people-title" }, title()),
      iconButton("wrong", say("people.close"), () => dialog().close(), { class: "quiet square" }),
    ),
    element(
      "div",
      { class: "people-body" },
      ...[notice(), ...body].filter((child) => child !== null),
    ),
  );
}

/** The button is there where the gallery has tracklets or people. */
function showButton() {
  const { gallery } = state;
  show(byId("people-button"), Boolean(gallery?.tracklets || gallery?.anonymous_identities));
}

export function preparePeople() {
  byId("people-button").addEventListener("click", actions.back);
  on("gallery", showButton);
  onLanguage(() => dialog().open && render());
}
