// Makes elements. Text goes in as text: nothing that the service says is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

// Returns an element with these attributes and children; strings become text, and null and false are left out.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// The same for a part of a drawing.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Sets the text where it differs: what did not change keeps its selection, and screen readers stay quiet.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Sets or removes an attribute where it differs.
export function setAttribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

// Replaces the children of an element when what they are made of differs from what was shown last.
export function renew(element, of, make) {
  const shown = JSON.stringify(of);
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  element.replaceChildren(...[make(of)].flat().filter(Boolean));
}
