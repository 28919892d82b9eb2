// Elements. Whatever comes from the broker goes through textContent: a text that looks like HTML stays a text.

/** An element with attributes (`on`: listeners; `true`: an attribute without a value) and children (null: none). */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [type, call] of Object.entries(value)) node.addEventListener(type, call);
    else setAttribute(node, name, value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined));
  return node;
}

/** null and false: without it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value === true ? '' : value)) node.setAttribute(name, value === true ? '' : value);
}

/** Writes only what differs: a selection stays, and nothing is read out twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** What has the focus keeps it while `change` moves rows about. */
export function keepingFocus(change) {
  const focused = document.activeElement;
  change();
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({preventScroll: true});
}

/** Puts these children into a parent, in order, moving no more than it has to. */
export function arrange(parent, children) {
  keepingFocus(() => {
    let next = parent.firstChild;
    for (const child of children) {
      if (child === next) next = next.nextSibling;
      else parent.insertBefore(child, next);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  });
}

/** What goes wrong when it is pressed is told. */
export function button(label, press, attributes = {}) {
  const click = async () => {
    try {
      await press();
    } catch (failed) {
      if (failed.name !== 'AbortError') tell(failed.message);
    }
  };
  return el('button', {type: 'button', on: {click}, ...attributes}, label);
}

/** Says something once to a screen reader alone: who sees the page sees it there. */
export function announce(text) {
  const region = document.getElementById('announced');
  const line = el('p', {}, text);
  region.replaceChildren(line);
  setTimeout(() => line.remove(), told_ms);
}

const told_ms = 8000;

/** Says something once, also to a screen reader. */
export function tell(text) {
  const line = el('p', {}, text);
  const region = document.getElementById('told');
  region.append(line);
  setTimeout(() => line.remove(), told_ms);
}
