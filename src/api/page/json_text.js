// JSON as it was sent: digits are shown as they are, which a parsed number would not keep.

const token = /\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+)/gy;

function* tokens(json) {
  token.lastIndex = 0;
  for (let found; token.lastIndex < json.length && (found = token.exec(json));) yield {text: found[1], end: token.lastIndex};
}

/** The text of a member of an object, as it stands there; null where there is none. */
export function memberText(json, name) {
  let depth = 0, begin = -1, inName = false, last = '';
  for (const {text, end} of tokens(json)) {
    if (text === '{' || text === '[') ++depth;
    if (text === '}' || text === ']') --depth;
    const ended = depth === 0 || (depth === 1 && text === ',');
    if (begin >= 0 && ended) return json.slice(begin, end - 1).trim();
    if (depth === 1 && text === ':' && inName && JSON.parse(last) === name) begin = end;
    if (depth === 1 && (text === ',' || text === '{')) inName = true;
    else if (depth === 1 && text === ':') inName = false;
    last = text;
  }
  return null;
}

/** The texts of the elements of an array. */
export function itemTexts(json) {
  const items = [];
  let depth = 0, begin = -1;
  for (const {text, end} of tokens(json)) {
    if (text === '}' || text === ']') --depth;
    if (begin >= 0 && (depth === 0 || (depth === 1 && text === ','))) {
      const item = json.slice(begin, end - 1).trim();
      if (item) items.push(item);
    }
    if (depth === 1 && text === ',') begin = end;
    if (text === '{' || text === '[') {
      if (depth === 0) begin = end;
      ++depth;
    }
  }
  return items;
}

/** With a line for each member and element. */
export function pretty(json) {
  let shown = '', depth = 0, last = '';
  const newLine = () => '\n' + '  '.repeat(depth);
  for (const {text} of tokens(json)) {
    const opens = last === '{' || last === '[', closes = text === '}' || text === ']';
    if (closes) --depth;
    if ((opens && !closes) || (closes && !opens) || last === ',') shown += newLine();
    shown += text === ':' ? ': ' : text;
    if (text === '{' || text === '[') ++depth;
    last = text;
  }
  return shown;
}
