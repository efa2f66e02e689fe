// Elements in few words. Text always goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} tag
 * @param {Object} [properties] `class`, `dataset`, `on` (event -> listener); other names are
 *   attributes, where false and null leave the attribute out and true makes it empty.
 * @param {...(Node|string|null)} children Null children are left out.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Icon from icons/NAME.svg in the colour of the text around it; nothing to a screen reader. */
export const icon = (name) =>
  element("span", { class: `icon icon-${name}`, "aria-hidden": "true" });

/** Button with an icon and a text. */
export function button(iconName, text, onClick, properties = {}) {
  return element(
    "button",
    { type: "button", ...properties, on: { click: onClick } },
    iconName ? icon(iconName) : null,
    element("span", {}, text),
  );
}

/** Button that shows only its icon; its name is its label and its tooltip. */
export function iconButton(iconName, label, onClick, properties = {}) {
  return element(
    "button",
    { type: "button", title: label, "aria-label": label, ...properties, on: { click: onClick } },
    icon(iconName),
  );
}

export function show(target, visible = true) {
  target.hidden = !visible;
}
