// Numbers, times and probabilities as people read them.

import { locale, say } from "./texts.js";

export const number = (value) => new Intl.NumberFormat(locale()).format(value);

/** Cosine similarity, -1 to 1. */
export const similarity = (value) =>
  new Intl.NumberFormat(locale(), {
    ...{ minimumFractionDigits: 2, maximumFractionDigits: 2 },
    signDisplay: "negative", // no "-0.00"
  }).format(value);

/** Never "100 %" or "0 %": a calibration on finitely many pairs can say neither. */
export function percent(probability) {
  const format = (value) =>
    new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(value);
  if (probability > 0.99) return `> ${format(0.99)}`;
  if (probability < 0.01) return `< ${format(0.01)}`;
  return format(probability);
}

const WORDS = [
  [0.9, "very-likely"],
  [0.65, "likely"],
  [0.35, "possible"],
  [0.1, "unlikely"],
  [-1, "very-unlikely"],
];

/** One of five grades, also the name of its colour. */
export const grade = (probability) => WORDS.find(([least]) => probability >= least)[1];

export const inWords = (probability) => say(`probability.${grade(probability)}`);

/** Moment (ISO 8601) in the time zone of this device. */
export const localTime = (moment) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(
    new Date(moment),
  );

/** The same to the minute, without the year if it is this one. */
export function briefTime(moment) {
  const date = new Date(moment);
  const ofThisYear = date.getFullYear() === new Date().getFullYear();
  return new Intl.DateTimeFormat(locale(), {
    ...{ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    year: ofThisYear ? undefined : "numeric",
  }).format(date);
}

/** The time of day to the second, for moments a few minutes apart. */
export const timeOfDay = (moment) =>
  new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(new Date(moment));

/** Seconds between two moments (ISO 8601), in full. */
export const seconds = (start, end) => number(Math.round((Date.parse(end) - Date.parse(start)) / 1000));

export function timeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat(locale(), { timeZoneName: "shortOffset" }).formatToParts();
  return `${zone} (${parts.find((part) => part.type === "timeZoneName").value})`;
}

export const fileSize = (bytes) =>
  new Intl.NumberFormat(locale(), {
    style: "unit",
    unit: bytes < 1e6 ? "kilobyte" : "megabyte",
    maximumFractionDigits: bytes < 1e6 ? 0 : 1,
  }).format(bytes < 1e6 ? bytes / 1e3 : bytes / 1e6);

/** Value of an <input type=datetime-local>, which has no zone, for a moment of this device's zone. */
export function toLocalInput(moment) {
  const date = new Date(moment);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

export const fromLocalInput = (value) => (value ? new Date(value).toISOString() : null);

/** Probability of a best match from which on absence is not called probable, as of Answer.verdict in gallery/answers.py. */
export const LIKELY = 0.5;

export const bestProbability = (matches) => Math.max(...matches.map((match) => match.probability));
