// The words of the page in the operator's language, from translations/LANGUAGE.json.

import { remember, remembered } from "./preferences.js";

export const LANGUAGES = ["en", "zh"];

const catalogues = new Map();
const listeners = [];
let language = "en";
let plurals = new Intl.PluralRules("en");
let spoke;

/** Resolves once the first catalogue is there; until then nothing can be said. */
export const spoken = new Promise((resolve) => {
  spoke = resolve;
});

/** The language chosen here before, else the browser's first one that the page speaks, else English. */
export function preferredLanguage() {
  const wanted = [remembered("language"), ...navigator.languages];
  const short = wanted.map((tag) => tag?.split("-")[0]);
  return short.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

export const currentLanguage = () => language;

/** Tag for Intl: Chinese as written on the mainland, English with 24 hours and the day first. */
export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** Fetch the catalogue of a language and say everything in it. */
export async function speak(tag) {
  if (!catalogues.has(tag)) {
    const answer = await fetch(new URL(`../translations/${tag}.json`, import.meta.url));
    if (!answer.ok) throw new Error(`no catalogue of ${tag}: ${answer.status}`);
    catalogues.set(tag, await answer.json());
  }
  language = tag;
  plurals = new Intl.PluralRules(tag);
  document.documentElement.lang = tag === "zh" ? "zh-CN" : "en";
  spoke();
  translate(document);
  listeners.forEach((listener) => listener());
}

export function chooseLanguage(tag) {
  remember("language", tag);
  return speak(tag);
}

/** Call a function each time the language has changed. */
export const onLanguage = (listener) => listeners.push(listener);

/**
 * The text of a key, with `{name}` replaced by `values.name`.
 * Where `values.count` is given, `key.one` or `key.other` is taken if the catalogue has it.
 */
export function say(key, values = {}) {
  const texts = catalogues.get(language) ?? {};
  const chosen = "count" in values ? `${key}.${plurals.select(values.count)}` : key;
  const text = texts[chosen] ?? texts[`${key}.other`] ?? texts[key];
  if (text === undefined) throw new Error(`no text for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => isolated(values[name]));
}

const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** A name that is written from right to left, kept from reordering the numbers and signs after it. */
export const isolated = (name) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

export const knows = (key) => key in (catalogues.get(language) ?? {});

const ATTRIBUTES = { say: null, sayLabel: "aria-label", sayTitle: "title", sayHint: "placeholder" };

/** Say again what the template marks with data-say, data-say-label, data-say-title, data-say-hint. */
function translate(root) {
  for (const [mark, attribute] of Object.entries(ATTRIBUTES)) {
    const name = mark.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const target of root.querySelectorAll(`[data-${name}]`)) {
      const text = say(target.dataset[mark]);
      if (attribute) target.setAttribute(attribute, text);
      else target.textContent = text;
    }
  }
}
