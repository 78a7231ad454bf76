"use strict";
// The diagram of one run: where everything lies, how it is drawn, and what is under the pointer.
// It knows nothing of the page around it.

/** Heights in pixels. */
const AXIS = 22, FLAGS = 24, LANE = 58, FIRST = 36, ROW = 15, FOOT = 12;
/** How near, in pixels, is on it. */
const NEAR = 6;
const FONT = '11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
/** More labels than these in view would be a wall of text. */
const LABELS = 90;

const seconds = (micros, digits = 6) => (micros / 1e6).toFixed(digits) + " s";
const span = (micros) =>
  micros >= 1e6 ? +(micros / 1e6).toFixed(3) + " s" : micros >= 1e3 ? +(micros / 1e3).toFixed(3) + " ms" : micros + " µs";
const pairs = (flat) => {
  const tasks = [];
  for (let i = 0; i < flat.length; i += 2) tasks.push({ task: flat[i], attempt: flat[i + 1] });
  return tasks;
};

/** A run as objects, from the lists in the page. */
function decode(run) {
  const word = (index) => run.words[index];
  const arrows = run.arrows.map(([number, sent, at, taken, from, to, what, is, tasks]) => ({
    type: "arrow", number, sent, at, taken, from, to, what: word(what), tasks: pairs(tasks),
    lost: (is & 1) > 0, routine: (is & 2) > 0, waits: (is & 4) > 0, store: (is & 8) > 0,
  }));
  const points = run.points.map(([number, at, lane, kind, what, routine, tasks]) => ({
    type: "point", number, at, lane, kind, what: word(what), routine, tasks: pairs(tasks),
  }));
  const bars = run.bars.map(([lane, row, from, until, task, attempt, end]) => ({
    type: "bar", lane, row, from, until, end, tasks: [{ task, attempt }],
  }));
  const bands = run.bands.map(([lane, from, until, kind, what]) => ({
    type: "band", lane, from, until, kind, what: word(what),
  }));
  const lives = run.lives.map(([lane, from, until]) => ({ lane, from, until }));
  const rows = run.rows.map(([at, task, status, attempt]) => ({ at, task, status, attempt }));
  // By time; what was sent first comes first among what happens at one instant.
  const events = [...arrows, ...points].sort((a, b) => a.at - b.at || (a.number || 0) - (b.number || 0));
  return { ...run, arrows, points, bars, bands, lives, rows, events, count: run.events };
}

class Chart {
  constructor(canvas, run, shown) {
    this.canvas = canvas;
    this.run = run;
    this.scroll = 0;
    this.layout();
    this.select(shown);
  }

  /** Where lanes lie, from the top of them all. */
  layout() {
    let y = 0;
    this.lanes = this.run.lanes.map((lane) => {
      const rowHeight = Math.max(5, Math.min(ROW, 90 / Math.max(1, lane.rows)));
      const height = lane.rows ? FIRST + lane.rows * rowHeight + FOOT : LANE;
      const place = { ...lane, top: y, height, line: y + (lane.rows ? 18 : LANE / 2), rowHeight };
      y += height;
      return place;
    });
    this.height = y;
  }

  /** What is shown; `even`: each event takes one step, however long nothing happens in between. */
  select(shown) {
    const part = this.view && (this.view[0] > this.limits[0] || this.view[1] < this.limits[1]);
    const was = part && [this.timeAt(this.view[0]), this.timeAt(this.view[1])];
    this.shown = shown;
    this.events = this.run.events.filter((event) => this.isShown(event));
    this.arrows = this.events.filter((event) => event.type === "arrow");
    this.points = this.events.filter((event) => event.type === "point");
    this.times = null;
    if (shown.even) {
      const times = new Set([this.run.from]);
      for (const event of this.events) {
        times.add(event.at);
        if (event.type === "arrow" && event.sent >= this.run.from) times.add(event.sent);
      }
      this.times = [...times].sort((a, b) => a - b);
    }
    const low = this.place(this.run.from), high = this.place(Math.max(this.run.until, this.run.from + 1));
    const margin = Math.max((high - low) * 0.015, 1e-9);
    this.limits = [low - margin, high + margin * 2];
    if (was) this.look(this.place(was[0]), this.place(was[1]));
    else this.whole();
  }

  isShown(event) {
    const { task, routine } = this.shown;
    if (event.routine && !routine) return false;
    if (task === null) return true;
    if (event.tasks.length) return event.tasks.some((one) => one.task === task);
    return event.type === "point" && ["fault", "life", "twist"].includes(event.kind);
  }

  /** From time to its place on the axis, before zoom. */
  place(time) {
    const times = this.times;
    if (!times) return time;
    let low = 0, high = times.length - 1;
    if (time <= times[0]) return (time - times[0]) / 1e6;
    if (time >= times[high]) return high + Math.min(1, (time - times[high]) / 1e6);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle;
      else high = middle;
    }
    return low + (time - times[low]) / (times[high] - times[low]);
  }

  /** And back. */
  timeAt(place) {
    const times = this.times;
    if (!times) return place;
    const low = Math.floor(place);
    if (low < 0) return times[0] + place * 1e6;
    if (low >= times.length - 1) return times[times.length - 1] + (place - times.length + 1) * 1e6;
    return times[low] + (place - low) * (times[low + 1] - times[low]);
  }

  x(time) {
    return ((this.place(time) - this.view[0]) / (this.view[1] - this.view[0])) * this.width;
  }

  placeAt(x) {
    return this.view[0] + (x / this.width) * (this.view[1] - this.view[0]);
  }

  /** Looks at this part of the axis, within what there is. */
  look(from, until) {
    const [low, high] = this.limits;
    const least = this.times ? 1.5 : 20;
    const length = Math.min(Math.max(until - from, least), high - low);
    const middle = (from + until) / 2;
    const start = Math.min(Math.max(middle - length / 2, low), high - length);
    this.view = [start, start + length];
  }

  whole() {
    this.look(...this.limits);
  }

  zoom(factor, x = this.width / 2) {
    const pivot = this.placeAt(x), [from, until] = this.view;
    this.look(pivot - (pivot - from) * factor, pivot + (until - pivot) * factor);
  }

  move(pixels) {
    const by = (pixels / this.width) * (this.view[1] - this.view[0]);
    this.look(this.view[0] + by, this.view[1] + by);
  }

  /** Brings a time into view, near enough to see what happens around it. */
  goto(time, wide) {
    const place = this.place(time);
    const length = wide ?? this.view[1] - this.view[0];
    this.look(place - length * 0.6, place + length * 0.4);
  }

  sees(time) {
    const place = this.place(time);
    return place >= this.view[0] && place <= this.view[1];
  }

  /** Where lanes begin on the canvas. */
  get top() {
    return AXIS + FLAGS - this.scroll;
  }

  lineOf(lane) {
    return this.top + this.lanes[lane].line;
  }

  /** The ends of an arrow on the canvas. One that is lost ends on its way. */
  ends(arrow) {
    const at = arrow.lost ? Math.max(arrow.at, arrow.sent + this.run.latency) : arrow.at;
    const x1 = this.x(arrow.sent), y1 = this.lineOf(arrow.from);
    const x2 = this.x(at), y2 = this.lineOf(arrow.to);
    const share = arrow.lost ? 0.6 : 1;
    return [x1, y1, x1 + (x2 - x1) * share, y1 + (y2 - y1) * share];
  }

  /** Where something is marked when it has the focus. */
  spot(event) {
    if (event.type === "arrow") {
      const [x1, y1, x2, y2] = this.ends(event);
      return [(x1 + x2) / 2, (y1 + y2) / 2];
    }
    if (event.type === "point") return [this.x(event.at), this.lineOf(event.lane)];
    const [x1, y1, x2, y2] = this.box(event);
    return [(Math.max(0, x1) + Math.min(this.width, x2)) / 2, (y1 + y2) / 2];
  }

  /** Where a bar or band lies. */
  box(event) {
    const lane = this.lanes[event.lane], top = this.top + lane.top;
    const x1 = this.x(event.from), x2 = Math.max(this.x(event.until), x1 + 2);
    if (event.type === "band") return [x1, top + 3, x2, top + lane.height - 3];
    const y = top + FIRST + event.row * lane.rowHeight;
    return [x1, y, x2, y + lane.rowHeight - 2];
  }

  /** What is under the pointer: the nearest small things, else what it lies on. Several may lie on
      one another; what is about a task comes first. */
  hit(x, y) {
    const found = [];
    const near = (event, distance) => {
      if (distance <= NEAR) found.push({ event, distance });
    };
    for (const point of this.points) {
      const px = this.x(point.at);
      if (Math.abs(px - x) <= NEAR) near(point, Math.hypot(px - x, this.lineOf(point.lane) - y) - 1.5);
    }
    for (const arrow of this.arrows) {
      const [x1, y1, x2, y2] = this.ends(arrow);
      if (Math.min(x1, x2) - NEAR > x || Math.max(x1, x2) + NEAR < x) continue;
      if (Math.min(y1, y2) - NEAR > y || Math.max(y1, y2) + NEAR < y) continue;
      near(arrow, toSegment(x, y, x1, y1, x2, y2));
    }
    const least = Math.min(...found.map(({ distance }) => distance)) + 0.5;
    const nearest = found.filter(({ distance }) => distance <= least).map(({ event }) => event);
    nearest.sort((a, b) => (b.tasks.length > 0) - (a.tasks.length > 0));
    if (nearest.length) return nearest;
    const inside = (event) => {
      const [x1, y1, x2, y2] = this.box(event);
      return x >= x1 - 1 && x <= x2 + 1 && y >= y1 && y <= y2;
    };
    return [...this.run.bars.filter(inside), ...this.run.bands.filter(inside)];
  }

  resize(width, height) {
    const ratio = window.devicePixelRatio || 1;
    this.width = width;
    this.viewHeight = height;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = width + "px";
    this.canvas.style.height = height + "px";
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  draw(colours, focus) {
    const c = this.context;
    this.colours = colours;
    this.labels = [];
    this.room = LABELS;
    c.clearRect(0, 0, this.width, this.viewHeight);
    c.font = FONT;
    c.textBaseline = "middle";
    this.drawGrid();
    for (const band of this.run.bands) this.drawBand(band);
    this.drawLanes();
    if (this.shown.task !== null) this.drawRow(this.shown.task);
    for (const bar of this.run.bars) this.drawBar(bar);
    this.drawLines();
    this.drawArrows();
    for (const point of this.points) this.drawPoint(point);
    this.drawLabels();
    if (focus) this.drawFocus(focus);
    this.drawAxis();
  }

  drawGrid() {
    const c = this.context;
    c.strokeStyle = this.colours.grid;
    c.lineWidth = 1;
    c.beginPath();
    this.ticks = this.times ? this.evenTicks() : timeTicks(this.view, this.width);
    for (const tick of this.ticks) {
      const x = Math.round(this.x(tick.time)) + 0.5;
      c.moveTo(x, AXIS);
      c.lineTo(x, this.viewHeight);
    }
    c.stroke();
  }

  /** A label at every so-many-th step. */
  evenTicks() {
    const step = Math.max(1, Math.ceil((92 / this.width) * (this.view[1] - this.view[0])));
    const ticks = [];
    for (let i = Math.max(0, Math.ceil(this.view[0])); i <= Math.min(this.view[1], this.times.length - 1); i++) {
      if (i % step === 0) ticks.push({ time: this.times[i], label: seconds(this.times[i], 4) });
    }
    return ticks;
  }

  drawAxis() {
    const c = this.context;
    c.fillStyle = this.colours.bg;
    c.fillRect(0, 0, this.width, AXIS);
    c.strokeStyle = this.colours.rule;
    c.beginPath();
    c.moveTo(0, AXIS + 0.5);
    c.lineTo(this.width, AXIS + 0.5);
    c.stroke();
    c.fillStyle = this.colours.muted;
    c.textAlign = "center";
    for (const { time, label } of this.ticks) {
      const x = this.x(time), half = c.measureText(label).width / 2;
      if (x - half > 0 && x + half < this.width) c.fillText(label, x, AXIS / 2);
    }
    c.textAlign = "left";
  }

  drawLanes() {
    const c = this.context;
    c.strokeStyle = this.colours.grid;
    c.lineWidth = 1;
    c.beginPath();
    for (const lane of this.lanes) {
      c.moveTo(0, this.top + lane.top + 0.5);
      c.lineTo(this.width, this.top + lane.top + 0.5);
    }
    c.stroke();
    // A place without a process is a place still: a faint line.
    c.setLineDash([1, 5]);
    c.strokeStyle = this.colours.lane;
    c.beginPath();
    for (const [index] of this.lanes.entries()) {
      c.moveTo(0, this.lineOf(index) + 0.5);
      c.lineTo(this.width, this.lineOf(index) + 0.5);
    }
    c.stroke();
    c.setLineDash([]);
    c.lineWidth = 1.6;
    c.beginPath();
    for (const { lane, from, until } of this.run.lives) {
      const x1 = Math.max(0, this.x(from)), x2 = Math.min(this.width, this.x(until));
      if (x2 <= x1) continue;
      c.moveTo(x1, this.lineOf(lane) + 0.5);
      c.lineTo(x2, this.lineOf(lane) + 0.5);
    }
    c.stroke();
  }

  drawBand(band) {
    const [x1, y1, x2, y2] = this.box(band), c = this.context;
    if (x2 < 0 || x1 > this.width || y2 < 0 || y1 > this.viewHeight) return;
    const left = Math.max(0, x1), right = Math.min(this.width, x2);
    pattern(c, band.kind, left, y1, right - left, y2 - y1, this.colours);
    // Where it begins, the fault says what it is.
    if (x1 < 0 && right - left > 40) this.label(band.what, left + 4, y2 - 8, this.colours.faultInk, right - left - 6, 4);
  }

  /** What the store says of the task that is followed. */
  drawRow(task) {
    const c = this.context, y = this.lineOf(1) + 8;
    const changes = this.run.rows.filter((row) => row.task === task);
    changes.forEach((row, index) => {
      const x1 = Math.max(0, this.x(row.at));
      const x2 = Math.min(this.width, this.x(changes[index + 1]?.at ?? this.run.until));
      if (x2 <= x1) return;
      const runs = row.status === "RUNNING";
      c.fillStyle = runs ? this.colours.attempt(row.attempt) : this.colours.panel;
      c.strokeStyle = this.colours.lane;
      c.lineWidth = 1;
      c.fillRect(x1, y, x2 - x1, 14);
      c.strokeRect(x1 + 0.5, y + 0.5, x2 - x1 - 1, 13);
      c.fillStyle = runs ? this.colours.on(row.attempt) : this.colours.fg;
      fitted(c, row.status + (row.attempt ? " " + row.attempt : ""), x1 + 4, y + 7.5, x2 - x1 - 6);
    });
  }

  drawBar(bar) {
    const [x1, y1, x2, y2] = this.box(bar), c = this.context;
    if (x2 < 0 || x1 > this.width || y2 < 0 || y1 > this.viewHeight) return;
    const [{ task, attempt }] = bar.tasks;
    const other = this.shown.task !== null && this.shown.task !== task;
    const left = Math.max(-2, x1), right = Math.min(this.width + 2, x2);
    c.globalAlpha = other ? 0.16 : 1;
    c.fillStyle = this.colours.attempt(attempt);
    c.fillRect(left, y1, right - left, y2 - y1);
    if (!other && y2 - y1 > 9) {
      c.fillStyle = this.colours.on(attempt);
      fitted(c, `${this.run.tasks[task].name}.${attempt}`, Math.max(left, 0) + 3, (y1 + y2) / 2 + 0.5, right - left - 5);
    }
    if (bar.end === "killed" && x2 <= this.width) cross(c, x2, (y1 + y2) / 2, 4, this.colours.fg);
    c.globalAlpha = 1;
  }

  /** The end of all trouble, and the violation. */
  drawLines() {
    const c = this.context, { healed, violation } = this.run;
    const line = (time, colour, width, dash) => {
      const x = this.x(time);
      if (x < -2 || x > this.width + 2) return;
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.setLineDash(dash);
      c.beginPath();
      c.moveTo(x, AXIS);
      c.lineTo(x, this.viewHeight);
      c.stroke();
      c.setLineDash([]);
    };
    if (healed !== null) line(healed, this.colours.lane, 1, [5, 4]);
    if (violation) line(violation.at, this.colours.broken, 2.5, []);
  }

  drawArrows() {
    const c = this.context, groups = new Map(), drawn = new Set();
    let count = 0;
    for (const arrow of this.arrows) {
      const ends = this.ends(arrow), [x1, y1, x2, y2] = ends;
      if (Math.max(x1, x2, this.x(arrow.taken ?? arrow.at)) < 0 || Math.min(x1, x2) > this.width) continue;
      if (Math.max(y1, y2) < AXIS || Math.min(y1, y2) > this.viewHeight) continue;
      count++;
      const attempt = this.attemptOf(arrow);
      const style = `${Math.min(attempt, 4)}${arrow.lost ? "x" : ""}`;
      // What falls on the same pixels is one stroke.
      const key = `${style}|${Math.round(x1)}|${Math.round(x2)}|${arrow.from}|${arrow.to}`;
      if (drawn.has(key)) continue;
      drawn.add(key);
      if (!groups.has(style)) groups.set(style, { attempt, lost: arrow.lost, all: [] });
      groups.get(style).all.push({ arrow, ends });
    }
    c.globalAlpha = Math.min(1, Math.max(0.35, 900 / count));
    for (const group of groups.values()) this.drawGroup(group, count);
    c.globalAlpha = 1;
  }

  drawGroup({ attempt, lost, all }, count) {
    const c = this.context, colour = this.colours.attempt(attempt);
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = attempt ? 1.7 : 1.2;
    c.setLineDash(lost ? [5, 3] : []);
    c.beginPath();
    for (const { ends: [x1, y1, x2, y2] } of all) {
      c.moveTo(x1, y1);
      c.lineTo(x2, y2);
    }
    c.stroke();
    c.setLineDash([]);
    for (const { arrow, ends } of all) {
      if (lost) cross(c, ends[2], ends[3], 4, this.colours.fg);
      else if (count < 1500) head(c, ends, colour);
      if (arrow.waits) this.drawWait(arrow, colour);
      if (count < 400) this.labelArrow(arrow, ends);
    }
  }

  /** It has arrived, and lies there until it is taken in. */
  drawWait(arrow, colour) {
    const c = this.context, y = this.lineOf(arrow.to) + 3.5;
    c.strokeStyle = colour;
    c.setLineDash([1.5, 3]);
    c.beginPath();
    c.moveTo(this.x(arrow.at), y);
    c.lineTo(Math.min(this.width, this.x(arrow.taken ?? this.run.until)), y);
    c.stroke();
    c.setLineDash([]);
  }

  labelArrow(arrow, [x1, y1, x2, y2]) {
    const tasks = this.nameOf(arrow);
    const text = arrow.what.replace(/( \[s| credit|,).*$/, "") + (tasks ? " " + tasks : "");
    const colour = this.colours.attempt(this.attemptOf(arrow), true);
    this.label(text, 0, 0, colour, 170, tasks ? 2 : 1, [x1, y1, x2, y2]);
  }

  /** The attempt that an event is coloured by: that of the task that is followed, or the latest. */
  attemptOf(event) {
    let latest = 0;
    for (const { task, attempt } of event.tasks) {
      if (this.shown.task === null || this.shown.task === task) latest = Math.max(latest, attempt);
    }
    return latest;
  }

  /** Its tasks, by their names. */
  nameOf(event, most = 2) {
    const name = ({ task, attempt }) => this.run.tasks[task].name + (attempt ? "." + attempt : "");
    const tasks = [...event.tasks].sort((a, b) => (b.task === this.shown.task) - (a.task === this.shown.task));
    const more = tasks.length > most ? ` +${tasks.length - most}` : "";
    return tasks.slice(0, most).map(name).join(" ") + more;
  }

  drawPoint(point) {
    const c = this.context, x = this.x(point.at), y = this.lineOf(point.lane);
    if (x < -8 || x > this.width + 8 || y < AXIS || y > this.viewHeight) return;
    c.lineWidth = 1.3;
    c.beginPath();
    if (point.kind === "fault") {
      c.moveTo(x - 6, y - 15);
      c.lineTo(x + 6, y - 15);
      c.lineTo(x, y - 3);
      c.closePath();
    } else if (point.kind === "twist") {
      c.moveTo(x, y - 5);
      c.lineTo(x + 5, y);
      c.lineTo(x, y + 5);
      c.lineTo(x - 5, y);
      c.closePath();
    } else if (point.kind === "timer") {
      c.rect(x - 0.6, y - 4, 1.2, 8);
    } else {
      c.arc(x, y, 2.6, 0, Math.PI * 2);
    }
    const struck = point.kind === "fault" || point.kind === "twist";
    c.fillStyle = struck ? this.colours.fault : point.kind === "life" ? this.colours.bg : this.colours.attempt(this.attemptOf(point));
    c.strokeStyle = struck ? this.colours.faultInk : this.colours.lane;
    c.fill();
    if (point.kind !== "timer") c.stroke();
    if (point.kind === "fault") this.label(point.what, x + 9, y - 11, this.colours.faultInk, 230, 5);
    else if (struck) this.label(point.what, x + 8, y + 9, this.colours.faultInk, 230, 3);
    else if (point.at === this.run.healed && point.lane === 1) return;
    else if (point.kind !== "timer" && this.points.length < 400) this.label(point.what, x + 6, y + 9, this.colours.muted, 160, 0);
  }

  drawFocus(event) {
    const c = this.context;
    c.strokeStyle = this.colours.fg;
    c.lineWidth = 2.5;
    if (event.type === "arrow") {
      const [x1, y1, x2, y2] = this.ends(event);
      c.beginPath();
      c.moveTo(x1, y1);
      c.lineTo(x2, y2);
      c.stroke();
      if (!event.lost) head(c, [x1, y1, x2, y2], this.colours.fg, 9);
    } else if (event.type !== "point") {
      const [x1, y1, x2, y2] = this.box(event);
      c.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
  }

  /** Where no label goes. */
  barsInView() {
    const boxes = this.run.bars.map((bar) => this.box(bar));
    return boxes.filter(([x1, , x2]) => x2 > 0 && x1 < this.width);
  }

  /** Asks for a label; the more important ones get their place first. */
  label(text, x, y, colour, width, weight, along) {
    this.labels.push({ text: text.replace(/(\d+\.\d\d)\d+/g, "$1"), x, y, colour, width, weight, along });
  }

  drawLabels() {
    const c = this.context, taken = this.barsInView();
    this.labels.sort((a, b) => b.weight - a.weight);
    for (const { text, x, y, colour, width, along } of this.labels) {
      if (this.room === 0) break;
      const cut = shortened(c, text, width);
      if (!cut) continue;
      const length = c.measureText(cut).width;
      const box = ([px, py]) => [px - 2, py - 7, px + length + 2, py + 7];
      const fits = (place) => {
        const [left, top, right, bottom] = box(place);
        if (right > this.width || left < 0 || top < AXIS || bottom > this.viewHeight) return false;
        return !taken.some((other) => left < other[2] && right > other[0] && top < other[3] && bottom > other[1]);
      };
      const place = (along ? alongside(along, length) : [[x, y]]).find(fits);
      if (!place) continue;
      const [px, py] = place;
      taken.push(box(place));
      this.room--;
      c.fillStyle = this.colours.halo;
      c.fillRect(px - 2, py - 6.5, length + 4, 13);
      c.fillStyle = colour;
      c.fillText(cut, px, py + 0.5);
    }
  }
}

/** Places for an arrow's label: at several heights, to its right or left. */
function alongside([x1, y1, x2, y2], length) {
  const at = (share, by) => [x1 + (x2 - x1) * share + by, y1 + (y2 - y1) * share];
  return [0.5, 0.34, 0.66, 0.22, 0.8].flatMap((share) => [at(share, 6), at(share, -length - 6)]);
}

/** Round times, a label's width apart. */
function timeTicks([from, until], width) {
  const rough = ((until - from) / width) * 100;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((by) => by * power).find((by) => by >= rough));
  const digits = Math.max(0, Math.min(6, Math.ceil(6 - Math.log10(step))));
  const ticks = [];
  for (let time = Math.max(0, Math.ceil(from / step) * step); time <= until; time += step) {
    ticks.push({ time, label: seconds(time, digits) });
  }
  return ticks;
}

function toSegment(x, y, x1, y1, x2, y2) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const share = length ? Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
  return Math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1));
}

function head(c, [x1, y1, x2, y2], colour, size = 7) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  c.fillStyle = colour;
  c.beginPath();
  c.moveTo(x2, y2);
  c.lineTo(x2 - size * Math.cos(angle - 0.38), y2 - size * Math.sin(angle - 0.38));
  c.lineTo(x2 - size * Math.cos(angle + 0.38), y2 - size * Math.sin(angle + 0.38));
  c.fill();
}

function cross(c, x, y, size, colour) {
  c.strokeStyle = colour;
  c.lineWidth = 2;
  c.beginPath();
  c.moveTo(x - size, y - size);
  c.lineTo(x + size, y + size);
  c.moveTo(x + size, y - size);
  c.lineTo(x - size, y + size);
  c.stroke();
}

function shortened(c, text, width) {
  if (c.measureText(text).width <= width) return text;
  const each = c.measureText("m").width, most = Math.floor(width / each) - 1;
  return most < 3 ? "" : text.slice(0, most) + "…";
}

function fitted(c, text, x, y, width) {
  const cut = shortened(c, text, width);
  if (cut) c.fillText(cut, x, y);
}

/** A fault that lasts: yellow, and a pattern of its own. */
function pattern(c, kind, x, y, width, height, colours) {
  c.save();
  c.beginPath();
  c.rect(x, y, width, height);
  c.clip();
  c.fillStyle = colours.band;
  c.fillRect(x, y, width, height);
  c.strokeStyle = c.fillStyle = colours.faultInk;
  c.globalAlpha = 0.5;
  c.lineWidth = 1;
  c.beginPath();
  const slant = (by, way) => {
    const first = Math.floor((x - height) / by) * by;
    for (let at = first; at < x + width + height; at += by) {
      c.moveTo(at, way > 0 ? y + height : y);
      c.lineTo(at + height, way > 0 ? y : y + height);
    }
  };
  if (kind === "pause") slant(9, 1);
  if (kind === "down") {
    slant(8, 1);
    slant(8, -1);
  }
  if (kind === "leaving") for (let at = y + 4; at < y + height; at += 5) c.rect(x, at, width, 0.5);
  if (kind === "link") for (let at = Math.floor(x / 7) * 7; at < x + width; at += 7) c.rect(at, y, 0.5, height);
  if (kind === "slow") {
    for (let dx = Math.floor(x / 8) * 8; dx < x + width; dx += 8) for (let dy = y + 4; dy < y + height; dy += 8) c.rect(dx, dy, 1.2, 1.2);
  }
  c.stroke();
  c.restore();
  c.strokeStyle = colours.faultInk;
  c.lineWidth = 1;
  c.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
}
