// The filters: a form, the part of the address after "#", and the options of a search.
// The address holds filters and nothing else: it can be kept or passed on without passing on images.

import { byId, element, show } from "./dom.js";
import { fromLocalInput, localTime, number, timeZone, toLocalInput } from "./format.js";
import { changed, on, state } from "./state.js";
import { onLanguage, say } from "./texts.js";

const RATES = [0.1, 0.01, 0.001, 0.0001]; // of false matches
const WINDOWS = [12, 24, 168]; // hours until now
const HOUR = 3_600_000;

const DEFAULTS = {
  cameras: [],
  locations: [],
  since: null,
  until: null,
  excludeLocation: null,
  identity: "any",
  among: "visible",
  queries: "infrared",
  top: 20,
  rate: 0.01,
  group: false,
  rerank: false,
};
// Name of each filter in the address, and how its text is read; what cannot be read is left out.
const IN_ADDRESS = {
  cameras: ["camera", names],
  locations: ["location", names],
  since: ["since", moment],
  until: ["until", moment],
  excludeLocation: ["not-location", (text) => names(text)?.[0]],
  identity: ["identity", oneOf("any", "known", "unknown")],
  among: ["among", oneOf("visible", "infrared", "both")],
  queries: ["images", oneOf("visible", "infrared")],
  top: ["top", (text) => oneOf("10", "20", "50", "100")(text) && Number(text)],
  rate: ["false-matches", (text) => (RATES.includes(Number(text)) ? Number(text) : undefined)],
  group: ["group", (text) => text === "1"],
  rerank: ["rerank", (text) => text === "1"],
};

let filters = { ...DEFAULTS };

export const currentFilters = () => filters;

/** Names of cameras or locations; a whole number written plainly is a number to the service. */
function names(text) {
  const parts = text.split(",").map(decoded).filter((part) => /^[^\x00-\x1f\x7f]{1,200}$/.test(part));
  return parts.length ? parts.map(plain) : undefined;
}

const plain = (text) => (/^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : text);

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** Numbers in their order, then texts. */
function inOrder(one, other) {
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : Number(one > other);
}

function moment(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

function oneOf(...choices) {
  return (text) => (choices.includes(text) ? text : undefined);
}

const isDefault = (name, value) => String(value) === String(DEFAULTS[name]);

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const read = { ...DEFAULTS };
  for (const [name, [short, parse]] of Object.entries(IN_ADDRESS)) {
    if (given.has(short)) read[name] = parse(given.get(short)) ?? DEFAULTS[name];
  }
  return read;
}

function writeAddress() {
  const parts = Object.entries(IN_ADDRESS)
    .filter(([name]) => !isDefault(name, filters[name]))
    .map(([name, [short]]) => {
      const value = inAddress(filters[name]);
      return `${short}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
    });
  const address = location.pathname + location.search + (parts.length ? `#${parts.join("&")}` : "");
  history.replaceState(null, "", address);
}

/** A comma stands between names, so one within a name is encoded twice. */
function inAddress(value) {
  if (value === true) return "1";
  const encoded = (name) => (typeof name === "string" ? name.replace(/[%,]/g, encodeURIComponent) : name);
  return Array.isArray(value) ? value.map(encoded).join(",") : String(encoded(value));
}

/** The options of POST /v1/search, except confirmed matches. */
export function searchOptions() {
  const { cameras, locations, since, until, identity } = filters;
  const options = {
    modality: filters.queries,
    top: filters.top,
    filters: {
      ...{ cameras, locations, since, until, identity },
      exclude_location: filters.excludeLocation,
      modality: filters.among === "both" ? null : filters.among,
    },
    group: filters.group,
    rerank: filters.rerank,
  };
  return state.gallery?.calibrated ? { ...options, false_match_rate: filters.rate } : options;
}

/** Whether a search can be made with these filters; says and shows what is wrong otherwise. */
export function filtersAreSound() {
  const { since, until } = filters;
  const upsideDown = since !== null && until !== null && since > until;
  const told = byId("window-problem");
  told.textContent = upsideDown ? say("filters.upside-down") : "";
  show(told, upsideDown);
  for (const name of ["since", "until"]) byId(name).setAttribute("aria-invalid", upsideDown);
  return !upsideDown;
}

export function changeFilters(some) {
  filters = { ...filters, ...some };
  writeAddress();
  showValues();
  filtersAreSound();
  changed("filters");
}

export function clearFilters() {
  changeFilters(DEFAULTS);
}

/** Filters that leave records out, which is what a surprised operator must be reminded of. */
function countFilters() {
  const names = ["cameras", "locations", "since", "until", "excludeLocation", "identity", "among"];
  return names.filter((name) => !isDefault(name, filters[name])).length;
}

export const anyFilter = () => countFilters() > 0;

function chips(box, name, counted, label) {
  const values = counted.filter(({ value }) => value !== null);
  for (const value of filters[name]) {
    if (!values.some((known) => known.value === value)) values.push({ value, records: 0 });
  }
  box.querySelector(".chips").replaceChildren(
    ...values.map(({ value, records }) =>
      element(
        "label",
        { class: "chip" },
        element("input", {
          ...{ type: "checkbox", value },
          on: { change: (event) => toggle(name, value, event.target.checked) },
        }),
        element("span", {}, say(label, { number: value })),
        element("small", { title: say("filters.records", { count: records }) }, number(records)),
      ),
    ),
  );
  show(box, values.length > 0);
}

function toggle(name, value, chosen) {
  const others = filters[name].filter((other) => other !== value);
  filters = { ...filters, [name]: (chosen ? [...others, value] : others).sort(inOrder) };
  writeAddress();
  showCount();
  changed("filters");
}

const option = (value, text) => element("option", { value }, text);

/** What the gallery offers, in the operator's language. */
function fillForm() {
  const { cameras = [], locations = [], calibrated = true, since, until } = state.gallery ?? {};
  chips(byId("cameras"), "cameras", cameras, "match.camera");
  chips(byId("locations"), "locations", locations, "match.location");
  const excluded = byId("exclude-location");
  excluded.replaceChildren(
    option("", say("filters.exclude.none")),
    ...locations
      .filter(({ value }) => value !== null)
      .map(({ value }) => option(value, say("match.location", { number: value }))),
  );
  byId("rate").replaceChildren(
    ...RATES.map((rate) => option(rate, say("filters.rate.choice", { searches: number(1 / rate) }))),
  );
  byId("rate").disabled = !calibrated;
  byId("rate-hint").textContent = say(calibrated ? "filters.rate.hint" : "filters.rate.none");
  byId("time-zone").textContent =
    say("filters.zone", { zone: timeZone() }) +
    (since ? ` ${say("filters.period", { since: localTime(since), until: localTime(until) })}` : "");
  fillWindows();
  showValues();
}

function showValues() {
  for (const name of ["cameras", "locations"]) {
    for (const box of byId(name).querySelectorAll("input")) {
      box.checked = filters[name].map(String).includes(box.value);
    }
  }
  for (const name of ["since", "until"]) {
    byId(name).value = filters[name] ? toLocalInput(filters[name]) : "";
  }
  byId("exclude-location").value = filters.excludeLocation ?? "";
  for (const name of ["identity", "among", "queries", "top", "rate"]) byId(name).value = filters[name];
  for (const name of ["group", "rerank"]) byId(name).checked = filters[name];
  showCount();
}

function fillWindows() {
  byId("quick-windows").replaceChildren(
    ...WINDOWS.map((hours) =>
      element(
        "button",
        {
          ...{ type: "button", class: "chip" },
          on: { click: () => changeFilters({ since: hoursAgo(hours), until: null }) },
        },
        hours < 48
          ? say("filters.last-hours", { count: hours })
          : say("filters.last-days", { count: hours / 24 }),
      ),
    ),
    element(
      "button",
      {
        ...{ type: "button", class: "chip" },
        on: { click: () => changeFilters({ since: null, until: null }) },
      },
      say("filters.any-time"),
    ),
  );
}

/** To the minute, which is what the form can show. */
const hoursAgo = (hours) =>
  new Date(Math.floor((Date.now() - hours * HOUR) / 60_000) * 60_000).toISOString();

function showCount() {
  const count = countFilters();
  const told = byId("filter-count");
  told.textContent = number(count);
  told.setAttribute("aria-label", say("filters.count", { count }));
  show(told, count > 0);
}

export function prepareFilters() {
  filters = readAddress();
  const listen = (id, read) =>
    byId(id).addEventListener("change", (event) => changeFilters(read(event.target)));
  listen("since", ({ value }) => ({ since: fromLocalInput(value) }));
  listen("until", ({ value }) => ({ until: fromLocalInput(value) }));
  listen("exclude-location", ({ value }) => ({ excludeLocation: value ? plain(value) : null }));
  for (const name of ["identity", "among", "queries"]) {
    listen(name, ({ value }) => ({ [name]: value }));
  }
  for (const name of ["top", "rate"]) listen(name, ({ value }) => ({ [name]: Number(value) }));
  for (const name of ["group", "rerank"]) listen(name, ({ checked }) => ({ [name]: checked }));
  byId("clear-filters").addEventListener("click", clearFilters);
  window.addEventListener("hashchange", () => {
    filters = readAddress();
    fillForm();
    filtersAreSound();
    changed("filters");
  });
  on("gallery", fillForm);
  onLanguage(fillForm);
}
