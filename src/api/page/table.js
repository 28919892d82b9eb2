// Tables whose rows stay the same elements while what they show changes: focus, selection and scroll stay too.
import {arrange, el, setAttribute, setText, show} from './dom.js';

/**
 * columns: [{title, kind?, text(row), href?(row), note?(row), mark?(row), draw?(row, cell), order?(row)}]. The first is the row's
 * heading. `kind`: how it looks; `draw`: fills the cell by itself; `order`: by what it can be sorted.
 * `key(row)` tells rows apart.
 */
export function table({caption, columns, key}) {
  const rows = new Map();
  let shown = [], sorted = null;
  // Roles as they are: a narrow screen shows rows as blocks, and browsers forget then that this is a table.
  const body = el('tbody', {role: 'rowgroup'});
  const headings = columns.map(column => heading(column, () => sortBy(column)));
  const element = el('table', {role: 'table'},
    el('caption', {class: 'unseen'}, caption),
    el('thead', {role: 'rowgroup'}, el('tr', {role: 'row'}, headings)), body);

  function sortBy(column) {
    sorted = sorted?.column === column && sorted.down ? {column, down: false} : {column, down: true};
    columns.forEach((each, i) => setAttribute(headings[i], 'aria-sort',
      each === sorted.column ? (sorted.down ? 'descending' : 'ascending') : null));
    place(shown);
  }

  function inOrder(list) {
    if (!sorted) return list;
    const {column, down} = sorted;
    const compared = (a, b) => typeof a === 'string' ? a.localeCompare(b) : a - b;
    return [...list].sort((a, b) => compared(column.order(a), column.order(b)) * (down ? -1 : 1));
  }

  function place(list) {
    shown = list;
    const now = inOrder(list).map(row => {
      const id = key(row);
      if (!rows.has(id)) rows.set(id, newRow(columns));
      const made = rows.get(id);
      made.show(row);
      return made;
    });
    const kept = new Set(now);
    for (const [id, made] of rows) if (!kept.has(made)) rows.delete(id);
    arrange(body, now.map(made => made.element));
    show(element, list.length > 0);
  }

  return {element, show: place};
}

function heading(column, sort) {
  const inside = column.order ? el('button', {type: 'button', class: 'sort', on: {click: sort}}, column.title) : column.title;
  return el('th', {role: 'columnheader', scope: 'col', class: column.kind ?? null}, inside);
}

function newRow(columns) {
  const cells = columns.map((column, i) => newCell(column, i === 0));
  return {
    element: el('tr', {role: 'row'}, cells.map(cell => cell.element)),
    show: row => cells.forEach(cell => cell.show(row)),
  };
}

function newCell(column, isHeading) {
  const inner = column.href ? el('a') : el('span');
  const note = column.note ? el('small') : null;
  const element = el(isHeading ? 'th' : 'td', {
    role: isHeading ? 'rowheader' : 'cell', scope: isHeading ? 'row' : null, class: column.kind ?? null, 'data-title': column.title,
  }, inner, note);
  return {
    element,
    show(row) {
      if (column.draw) return column.draw(row, inner);
      setText(inner, column.text(row));
      if (column.href) setAttribute(inner, 'href', column.href(row));
      if (note) setText(note, column.note(row) ?? '');
      if (column.mark) setAttribute(element, 'data-mark', column.mark(row));
    },
  };
}
