// When a person was seen by which camera: a line for each camera, a bar for each tracklet.

import { element } from "./dom.js";
import { briefTime, localTime, timeOfDay } from "./format.js";
import { nameOfTracklet } from "./strips.js";
import { say } from "./texts.js";

const SHORT = 600_000; // milliseconds: below it, minutes alone would be too coarse

/**
 * The timeline of some tracklets.
 * @param {Array} tracklets In any order; at least one.
 * @param {function(number)} choose Gets the number of the tracklet whose bar was pressed.
 */
export function timeline(tracklets, choose) {
  const times = tracklets.flatMap(({ start, end }) => [Date.parse(start), Date.parse(end)]);
  const first = Math.min(...times);
  const length = Math.max(Math.max(...times) - first, 1);
  const inOrder = [...tracklets].sort((a, b) => Date.parse(a.start) - Date.parse(b.start));
  const cameras = [...new Set(inOrder.map(({ camera }) => String(camera)))];
  const lines = cameras.map((camera) => {
    const bars = inOrder
      .filter((tracklet) => String(tracklet.camera) === camera)
      .map((tracklet) => {
        const bar = element("button", {
          ...{ type: "button", class: `bar-of ${tracklet.modality}` },
          ...{ title: nameOfTracklet(tracklet), "aria-label": nameOfTracklet(tracklet) },
          on: { click: () => choose(tracklet.id) },
        });
        bar.style.setProperty("--from", (Date.parse(tracklet.start) - first) / length);
        bar.style.setProperty(
          "--length",
          (Date.parse(tracklet.end) - Date.parse(tracklet.start)) / length,
        );
        return bar;
      });
    return element(
      "div",
      { class: "lane" },
      element("span", { class: "lane-name" }, say("match.camera", { number: camera })),
      element("div", { class: "lane-bars" }, ...bars),
    );
  });
  const brief = length < SHORT;
  const axis = [0, 0.5, 1].map((share) => {
    const moment = new Date(first + share * length).toISOString();
    if (!brief) return element("span", {}, briefTime(moment));
    return element("span", {}, share === 0 ? localTime(moment) : timeOfDay(moment));
  });
  return element(
    "div",
    { class: "timeline", role: "group", "aria-label": say("timeline.title") },
    ...lines,
    element("div", { class: "axis soft small", "aria-hidden": "true" }, ...axis),
    element(
      "div",
      { class: "legend soft small", "aria-hidden": "true" },
      ...["visible", "infrared"].map((modality) =>
        element("span", {}, element("i", { class: modality }), say(`strip.${modality}`)),
      ),
    ),
  );
}
