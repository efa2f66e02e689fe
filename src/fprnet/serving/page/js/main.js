// Puts the page together.

import { prepareDetails, openDetails } from "./details.js";
import { byId } from "./dom.js";
import { prepareFilters } from "./filters.js";
import { prepareImages } from "./images.js";
import { prepareKeyboard } from "./keyboard.js";
import { prepareMarks } from "./marks.js";
import { prepareMatches } from "./matches.js";
import { announce } from "./notices.js";
import { remember, remembered } from "./preferences.js";
import { preparePeople } from "./people.js";
import { prepareSearch } from "./search.js";
import { prepareSession, refreshGallery } from "./session.js";
import { chooseLanguage, currentLanguage, onLanguage, preferredLanguage, say, speak } from "./texts.js";
import { prepareVerdict } from "./verdict.js";

const THEMES = ["auto", "light", "dark"];

function useTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  useTheme(next);
  remember("theme", next);
  announce(say(`theme.${next}`));
}

/** The button names the other language in that language, for who cannot read this one. */
function showLanguage() {
  const other = currentLanguage() === "zh" ? "en" : "zh";
  const name = { en: "English", zh: "中文" }[other];
  byId("language-name").textContent = name;
  byId("language").lang = other === "zh" ? "zh-CN" : "en";
  byId("language").title = name;
  byId("language").setAttribute("aria-label", name);
}

function prepareFrame() {
  byId("theme").addEventListener("click", nextTheme);
  byId("language").addEventListener("click", () =>
    chooseLanguage(currentLanguage() === "zh" ? "en" : "zh"),
  );
  byId("skip").addEventListener("click", () => byId("answer").focus());
  byId("empty-choose").addEventListener("click", () => byId("files").click());
  if (window.matchMedia("(max-width: 60rem)").matches) byId("filters").open = false;
  onLanguage(showLanguage);
}

useTheme(remembered("theme") ?? "auto");
prepareFrame();
prepareImages();
prepareFilters();
prepareMarks();
prepareMatches(openDetails);
prepareVerdict();
prepareDetails();
preparePeople();
prepareSearch();
prepareSession();
prepareKeyboard();
await speak(preferredLanguage());
await refreshGallery();
document.documentElement.dataset.ready = "true";
