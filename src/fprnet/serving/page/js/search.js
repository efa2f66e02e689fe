// A search: images and filters go to the service, an answer or a plain reason comes back.

import { call, isAborted } from "./api.js";
import { noLongerWhenBack, whenBack } from "./connection.js";
import { byId } from "./dom.js";
import { changeFilters, clearFilters, filtersAreSound, searchOptions } from "./filters.js";
import { askForImage } from "./images.js";
import { announce, describeProblem, notify, settle } from "./notices.js";
import { changed, confirmed, on, state } from "./state.js";
import { say } from "./texts.js";

const MOST_CONFIRMED = 32; // that the service takes
const TRY_AGAIN = ["too_fast", "busy"]; // after a while, by itself
const FILTER_PROBLEMS = ["filter", "invalid"];

let running = null; // AbortController of the search under way
let countdown = null;
let refined = false;
let sent = null; // options of the answer that is shown

/** Whether the answer that is shown is not that of the images and filters as they are now. */
export const isStale = () =>
  state.answer !== null &&
  (!state.fresh || JSON.stringify(sent) !== JSON.stringify(optionsNow()));

function optionsNow() {
  const ids = refined ? confirmed().slice(0, MOST_CONFIRMED) : [];
  return { ...searchOptions(), confirmed: ids };
}

/** Search with the images, and with the confirmed matches too if the search has been refined. */
export async function search() {
  cancel();
  if (!state.images.length) {
    askForImage();
    return;
  }
  if (!filtersAreSound()) {
    byId("filters").open = true;
    byId("since").focus();
    return;
  }
  const controller = new AbortController();
  running = controller;
  state.searching = true;
  changed("searching");
  announce(say("search.running"));
  const options = optionsNow();
  try {
    const answer = await request(options, controller.signal);
    settle("search", "connection");
    sent = options;
    take(answer);
  } catch (error) {
    if (!isAborted(error)) failed(error);
  } finally {
    if (running === controller) {
      running = null;
      state.searching = false;
      changed("searching");
    }
  }
}

/** Stop a search that is under way or waits for its next try. */
export function cancel() {
  running?.abort();
  running = null;
  clearInterval(countdown);
  noLongerWhenBack("search");
  settle("search");
  if (state.searching) {
    state.searching = false;
    changed("searching");
  }
}

/** Search again with what the operator has confirmed, or with the images alone. */
export function refine(wanted) {
  refined = wanted;
  return search();
}

/** Without an upload where the service still knows the images. */
async function request(options, signal) {
  if (state.fresh && state.answer.modality === options.modality) {
    try {
      const json = { search: state.answer.search, ...options };
      return await call("POST", "v1/search", { json, signal });
    } catch (error) {
      if (error.code !== "search_expired") throw error;
    }
  }
  return upload(options, signal);
}

function upload(options, signal) {
  const form = new FormData();
  for (const { file, name } of state.images) form.append("images", file, name);
  form.append("options", JSON.stringify(options));
  return call("POST", "v1/search", { form, signal });
}

function take(answer) {
  state.answer = { ...answer, matches: byPerson(answer) };
  state.fresh = true;
  for (const { id, marked } of answer.matches) {
    if (marked) state.marks.set(id, marked);
    else state.marks.delete(id);
  }
  changed("answer");
}

/** Matches in the order of the people they belong to, where the answer is grouped. */
function byPerson({ matches, people }) {
  const ranks = people.flatMap((person) => person.matches);
  const place = new Map(ranks.map((rank, position) => [rank, position]));
  return people.length ? matches.toSorted((a, b) => place.get(a.rank) - place.get(b.rank)) : matches;
}

/**
 * Do something that needs the search of an answer; where the service has forgotten it (after an
 * hour, or a restart), the same images are sent again first.
 */
export async function withSearch(answer, run) {
  try {
    return await run(answer.search);
  } catch (error) {
    if (error.code !== "search_expired" || !state.fresh || state.answer !== answer) throw error;
    const again = await upload(sent);
    answer.search = again.search;
    return run(answer.search);
  }
}

function failed(error) {
  if (error.code === "unreachable") {
    whenBack("search", search, error);
    return;
  }
  if (TRY_AGAIN.includes(error.code)) {
    tryLater(error);
    return;
  }
  notify("search", () => ({
    ...describeProblem(error),
    actions: [
      { icon: "retry", text: say("search.again"), run: search },
      ...(FILTER_PROBLEMS.includes(error.code)
        ? [{ icon: "undo", text: say("filters.clear"), run: clearFilters }]
        : []),
    ],
  }));
}

/** Wait as long as the service asks for, visibly, and try again. */
function tryLater(error) {
  let seconds = Math.ceil(error.wait ?? 5);
  const tell = () =>
    notify("search", () => ({
      ...describeProblem(error),
      kind: "warn",
      text: say("search.next-try", { count: seconds }),
      detail: "",
      actions: [
        { icon: "retry", text: say("search.now"), run: search },
        { icon: "wrong", text: say("search.cancel"), run: cancel },
      ],
    }));
  tell();
  countdown = setInterval(() => {
    seconds -= 1;
    if (seconds > 0) tell();
    else search();
  }, 1000);
}

/** The images are of the other kind than was said: say the other one and search again. */
export function searchAsOther() {
  const other = state.answer.modality === "infrared" ? "visible" : "infrared";
  changeFilters({ queries: other });
  return search();
}

export function prepareSearch() {
  on("images", () => {
    refined = false;
    cancel();
  });
  byId("query").addEventListener("submit", (event) => {
    event.preventDefault();
    if (state.searching) cancel();
    else search();
  });
}
