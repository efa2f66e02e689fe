// Is the service there? When it is gone, wait for it and go on where the operator was.

import { isAlive } from "./api.js";
import { announce, describeProblem, notify, settle } from "./notices.js";
import { say } from "./texts.js";

const FIRST_WAIT = 1000; // milliseconds, doubled up to the longest
const LONGEST_WAIT = 15_000;

let waiting = []; // what is to be done once the service is back: [name, function]
let timer = null;
let wait = FIRST_WAIT;

/** The service did not answer: say so, and do something as soon as it does, once for each name. */
export function whenBack(name, run, error) {
  waiting = [...waiting.filter(([other]) => other !== name), [name, run]];
  notify("connection", () => ({
    ...describeProblem(error),
    actions: [{ icon: "retry", text: say("connection.now"), run: check }],
  }));
  if (timer === null) plan(FIRST_WAIT);
}

export function noLongerWhenBack(name) {
  waiting = waiting.filter(([other]) => other !== name);
  if (!waiting.length) stop();
}

function plan(milliseconds) {
  wait = milliseconds;
  timer = setTimeout(check, milliseconds);
}

function stop() {
  clearTimeout(timer);
  timer = null;
  settle("connection");
}

async function check() {
  clearTimeout(timer);
  if (!(await isAlive())) {
    if (waiting.length) plan(Math.min(2 * wait, LONGEST_WAIT));
    return;
  }
  const todo = waiting;
  waiting = [];
  stop();
  announce(say("connection.back"));
  for (const [, run] of todo) run();
}

window.addEventListener("online", () => waiting.length && check());
