// Courses since the page was opened, and before that where the broker keeps them.
import {ask, offers} from './broker.js';
import {el, setAttribute, setText, svg} from './dom.js';
import {age, clock, count, rate} from './format.js';
import * as watch from './watch.js';

const width = 640, height = 190, left = 52, right = 12, top = 10, bottom = 24;
const spans = [['5', '5 minutes'], ['30', '30 minutes'], ['180', '3 hours']];
const points_every_ms = 15000;

const all_charts = [
  {title: 'Messages a second', series: [['in', 'In'], ['out', 'Out'], ['failed', 'Failed']], text: value => rate(value)},
  {title: 'Waiting', series: [['pending', 'Pending'], ['due', 'Due'], ['held', 'Held']], text: count},
  {title: 'Time to answer', series: [['p50', 'Half within'], ['p99', '99 of 100 within']], text: age},
  {title: 'Age of the oldest', series: [['oldest', 'Oldest']], text: age},
  {title: 'Dead', series: [['dead', 'Dead']], text: count},
];

export function chartsView(query) {
  const queue = query.get('queue') ?? '', span = query.get('span') ?? '5';
  const charts = all_charts.map(newChart);
  const queues = el('select', {id: 'chart-queue', on: {change: () => go(queues.value, spanned.value)}});
  const spanned = el('select', {id: 'chart-span', on: {change: () => go(queues.value, spanned.value)}},
    spans.map(([value, label]) => el('option', {value, selected: value === span}, label)));
  const leaving = new AbortController(), note = el('p', {class: 'quiet'});
  let kept = [], read_at = 0;
  const element = el('div', {}, el('h1', {}, 'Charts'),
    el('p', {class: 'filter'}, el('label', {for: 'chart-queue'}, 'Queue'), queues,
      el('label', {for: 'chart-span'}, 'Last'), spanned),
    el('div', {class: 'charts'}, charts.map(chart => chart.element)),
    note);

  function fillQueues() {
    const names = ['', ...watch.now.queues.slice(0, 200).map(q => q.queue)];
    if (queue && !names.includes(queue)) names.push(queue);
    if (queues.options.length === names.length) return;
    queues.replaceChildren(...names.map(name => el('option', {value: name, selected: name === queue}, name || 'all')));
  }

  function redraw() {
    fillQueues();
    const now = Date.now(), since = now - Number(span) * 60000;
    for (const chart of charts) chart.show(member => course(member, since), since, now);
    setText(note, 'Drawn from what this page has seen since it was opened' + (kept.length ?
      ', and before that from what this broker keeps of the queue in memory.' : queue ? '.' :
        '; for the hours before, choose a queue.'));
  }

  /** What the broker has kept, and from when on this page has looked, what it has seen. */
  function course(member, since) {
    const own = watch.series(queue, member, since), begin = own.length ? own[0][0] : Infinity;
    const earlier = kept.filter(point => point.at >= since && point.at < begin);
    return [...earlier.map(point => [point.at, point[member] ?? null]), ...own];
  }

  /** What the broker has seen of the queue before: where it keeps that, for as long as it keeps it. */
  async function refresh() {
    if (!queue || Date.now() - read_at < points_every_ms || !await offers('/queues/{queue}/rates')) return;
    read_at = Date.now();
    kept = pointsOf(await ask('GET', `queues/${encodeURIComponent(queue)}/rates`, {signal: leaving.signal}));
    redraw();
  }
  return {title: 'Charts', element, redraw, refresh, close: () => leaving.abort()};
}

/** As the samples of this page are; the latest is not over and left out. */
function pointsOf({points, point_ms}) {
  const a_second = n => n / (point_ms / 1000);
  return points.slice(0, -1).map(point => ({at: new Date(point.at).getTime(), in: a_second(point.in), out: a_second(point.out),
    failed: a_second(point.failed), p50: point.p50_ms, p99: point.p99_ms, pending: point.pending, oldest: point.oldest_age_ms}));
}

function go(queue, span) {
  location.hash = `#/charts?${new URLSearchParams(queue ? {queue, span} : {span})}`;
}

const lowest = 2;
/** A round number not below, so that the lines' heights can be read. */
function roundAbove(value) {
  if (value <= lowest) return lowest;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= value);
}

function newChart({title, series, text}) {
  const lines = series.map((_, i) => svg('path', {class: `line line-${i}`}));
  const grid = [0, 0.5, 1].map(part =>
    ({part, line: svg('line', {class: 'grid'}), label: svg('text', {class: 'axis', 'text-anchor': 'end'})}));
  const times = [0, 0.5, 1].map(part => svg('text', {class: 'axis', 'text-anchor': ['start', 'middle', 'end'][part * 2]}));
  const cursor = svg('line', {class: 'cursor', y1: top, y2: height - bottom, visibility: 'hidden'});
  const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: '0'},
    grid.flatMap(({line, label}) => [line, label]), times, lines, cursor);
  const values = series.map(() => el('b'));
  const legend = series.map(([, label], i) =>
    el('span', {class: 'legend'}, el('span', {class: `key line-${i}`, 'aria-hidden': 'true'}), `${label} `, values[i]));
  const at_time = el('span', {class: 'quiet'});
  const element = el('figure', {class: 'chart'},
    el('figcaption', {}, el('h2', {}, title), el('p', {}, legend, at_time)), picture);
  let courses = [], from = 0, to = 1, chosen = null;

  const x = time => left + (time - from) / (to - from) * (width - left - right);

  function readOut() {
    const point = nearest(courses[0] ?? [], chosen);
    courses.forEach((course, i) => {
      const found = chosen === null ? course.at(-1) : nearest(course, chosen);
      setText(values[i], found && found[1] !== null ? text(found[1]) : '–');
    });
    setText(at_time, chosen !== null && point ? `at ${clock(new Date(point[0]))}` : '');
    setAttribute(cursor, 'visibility', chosen !== null && point ? 'visible' : 'hidden');
    if (point) for (const side of ['x1', 'x2']) cursor.setAttribute(side, x(point[0]));
  }

  function choose(time) {
    chosen = time;
    readOut();
  }
  picture.addEventListener('pointermove', event => {
    const box = picture.getBoundingClientRect();
    choose(from + ((event.clientX - box.left) / box.width * width - left) / (width - left - right) * (to - from));
  });
  picture.addEventListener('pointerleave', () => choose(null));
  picture.addEventListener('blur', () => choose(null));
  picture.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key], course = courses[0] ?? [];
    if (!step || !course.length) return;
    event.preventDefault();
    const now = course.indexOf(nearest(course, chosen ?? to));
    choose(course[Math.min(course.length - 1, Math.max(0, now + step))][0]);
  });

  return {
    element,
    show(course, since, until) {
      [from, to] = [since, until];
      courses = series.map(([member]) => course(member));
      element.hidden = courses.every(each => each.every(([, value]) => value === null));
      const highest = roundAbove(Math.max(0, ...courses.flat().map(([, value]) => value ?? 0)));
      const y = value => height - bottom - value / highest * (height - top - bottom);
      lines.forEach((line, i) => line.setAttribute('d', pathOf(courses[i], x, y)));
      drawGrid(grid, highest, y, text);
      times.forEach((label, i) => drawTime(label, i / 2, from, to));
      const words = series.map(([, label], i) => `${label} ${summary(courses[i], text)}`).join('; ');
      setAttribute(picture, 'aria-label', `${title}: ${words}. Arrow keys read single values.`);
      readOut();
    },
  };
}

function nearest(course, time) {
  if (!course.length) return undefined;
  if (time === null) return course.at(-1);
  return course.reduce((best, point) => Math.abs(point[0] - time) < Math.abs(best[0] - time) ? point : best);
}

/** Where nothing is known the line has a gap; a point by itself is a dot. */
function pathOf(course, x, y) {
  let path = '', pen_up = true;
  for (const [time, value] of course) {
    if (value !== null) path += `${pen_up ? 'M' : 'L'}${x(time).toFixed(1)} ${y(value).toFixed(1)}${pen_up ? 'h0' : ''}`;
    pen_up = value === null;
  }
  return path;
}

function drawGrid(grid, highest, y, text) {
  for (const {part, line, label} of grid) {
    const at = y(part * highest);
    for (const [name, value] of Object.entries({x1: left, x2: width - right, y1: at, y2: at})) setAttribute(line, name, value);
    setAttribute(label, 'x', left - 6);
    setAttribute(label, 'y', at + 4);
    setText(label, text(part * highest));
  }
}

function drawTime(label, part, from, to) {
  setAttribute(label, 'x', left + part * (width - left - right));
  setAttribute(label, 'y', height - 6);
  setText(label, clock(new Date(from + part * (to - from))));
}

function summary(course, text) {
  const known = course.map(([, value]) => value).filter(value => value !== null);
  if (!known.length) return 'nothing yet';
  return `now ${text(known.at(-1))}, between ${text(Math.min(...known))} and ${text(Math.max(...known))}`;
}
