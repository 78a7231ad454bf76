"use strict";
// The page around the diagram: tabs, filter, details, the list of events, keys and pointer.
// Text of a run goes in by `textContent` only: whatever it says, it is text.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const GUTTER = 132, LINE = 22;

/** An element with text or children in it. */
function made(tag, ...inside) {
  const element = document.createElement(tag);
  element.append(...inside);
  return element;
}

function coloursNow() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue("--" + name).trim();
  const attempts = [0, 1, 2, 3, 4].map((attempt) => of("a" + attempt));
  return {
    bg: of("bg"), fg: of("fg"), panel: of("panel"), muted: of("muted"), rule: of("rule"), grid: of("grid"),
    lane: of("lane"), fault: of("fault"), faultInk: of("fault-ink"), band: of("band"), broken: of("broken"), halo: of("halo"),
    attempt: (attempt, text) => (text && attempt > 1 ? of("fg") : attempts[Math.min(attempt, 4)]),
    on: (attempt) => (attempt === 1 ? of("on-bar") : of("on-bright")),
  };
}

const page = {
  // Of a short run the order is what matters, and it has its pauses.
  runs: data.runs.map((run, index) => ({
    run: decode(run), chart: null, selected: null, shown: { task: null, routine: false, even: index > 0 },
  })),
  at: 0,
  colours: null,
  hovered: null,
  waiting: false,
  get tab() { return this.runs[this.at]; },
  get chart() { return this.tab.chart; },
  get run() { return this.tab.run; },
  get shown() { return this.tab.shown; },
};

// What was run, and how it went.

function header() {
  $("name").textContent = data.name;
  document.title = data.name + " · mpcsfaas sim";
  for (const [name, text] of data.facts) $("facts").append(made("dt", name), made("dd", text));
  const tabs = page.runs.map(({ run }, index) => {
    const tab = made("button", run.caption.label);
    Object.assign(tab, { type: "button", id: "run-" + index, onclick: () => open(index) });
    tab.setAttribute("role", "tab");
    tab.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      open((index + by + page.runs.length) % page.runs.length);
      $("run-" + page.at).focus();
    };
    return tab;
  });
  $("runs").append(...tabs);
}

function verdict() {
  const { violation } = page.run, place = $("verdict");
  place.className = violation ? "broken" : "kept";
  if (!violation) {
    place.replaceChildren(made("b", "✓ kept"), "every promise was kept");
    return;
  }
  const promise = violation.title ? [made("q", violation.title), " "] : [];
  place.replaceChildren(made("b", `✗ ${violation.promise} broken`), `at ${seconds(violation.at)}: `, ...promise, ...linked(violation.what));
}

/** Text in which names of tasks lead to them. */
function linked(text) {
  const known = new Map(page.run.tasks.map(({ name }, task) => [name, task]));
  return text.split(/\b(t\d+(?:\.\d+)?)\b/).map((part) => {
    const task = known.get(part.split(".")[0]);
    return task === undefined ? part : taskButton(task, part);
  });
}

function taskButton(task, name) {
  const button = made("button", name);
  Object.assign(button, { type: "button", title: "follow " + page.run.tasks[task].id, onclick: () => follow(task) });
  return button;
}

function open(index) {
  page.at = index;
  page.hovered = null;
  const { run } = page.tab;
  page.runs.forEach((_, other) => {
    $("run-" + other).setAttribute("aria-selected", other === index);
    $("run-" + other).tabIndex = other === index ? 0 : -1;
  });
  const left = run.left_out ? ` The first ${run.left_out} are left out.` : "";
  const events = `${run.count} events in ${seconds(run.until, 3)}.${left}`;
  $("note").textContent = [events, run.caption.note].filter(Boolean).join(" ");
  verdict();
  $("tasks").replaceChildren(...run.tasks.map(({ name, id }) => Object.assign(made("option", id), { value: name })));
  $("goto").hidden = !run.violation;
  commands(run);
  page.tab.chart ??= new Chart($("canvas"), run, { ...page.shown });
  lanes(page.chart);
  controls();
  showDetails();
  resize();
}

/** The command that shows this run again, and the run as a file. */
function commands({ caption, hash }) {
  const copy = made("button", "copy");
  copy.type = "button";
  copy.onclick = () => navigator.clipboard?.writeText(caption.replay).then(() => (copy.textContent = "copied"));
  const facts = [made("dt", "replay"), made("dd", made("code", caption.replay), " ", copy), made("dt", "hash"), made("dd", made("code", hash))];
  if (caption.scenario) {
    facts.push(made("dt", "as a file"), made("dd", made("details", made("summary", "scenario file"), made("pre", caption.scenario))));
  }
  for (const old of document.querySelectorAll("#facts .of-run")) old.remove();
  for (const fact of facts) fact.className = "of-run";
  $("facts").append(...facts);
}

function lanes(chart) {
  $("lanes").replaceChildren(...chart.lanes.map((lane) => {
    const label = made("li", made("b", lane.name), made("span", lane.what));
    label.style.top = AXIS + FLAGS + lane.top + "px";
    label.style.height = lane.height + "px";
    label.style.paddingTop = lane.line - lane.top - 11 + "px";
    return label;
  }));
}

// Drawing, at most once a frame.

function redraw() {
  if (page.waiting) return;
  page.waiting = true;
  requestAnimationFrame(() => {
    page.waiting = false;
    const { chart } = page;
    chart.scroll = $("scroller").scrollTop;
    chart.draw(page.colours, page.hovered ?? page.tab.selected);
    flags();
    ring();
    overview();
    fillList();
  });
}

function resize() {
  const { chart } = page, height = AXIS + FLAGS + chart.height;
  $("space").style.height = height + "px";
  const scroller = $("scroller");
  chart.resize(scroller.clientWidth - GUTTER, Math.min(height, scroller.clientHeight));
  status();
  redraw();
}

/** Another part is looked at: the list follows, unless something is held. */
function moved() {
  const { chart, selected } = page.tab;
  if (!selected) $("list").scrollTop = Math.max(0, chart.events.findIndex((event) => chart.sees(event.at))) * LINE;
  redraw();
}

/** Moves the marks that are elements, so that they can be read and reached. */
function flags() {
  const { chart, run } = page, flag = $("violation");
  const put = (element, time) => {
    const x = time === null ? -1 : chart.x(time);
    element.hidden = x < 0 || x > chart.width;
    if (element.hidden) return;
    const right = x > chart.width / 2;
    element.style.left = right ? "auto" : GUTTER + x + "px";
    element.style.right = right ? chart.width - x + ($("chart").clientWidth - GUTTER - chart.width) + "px" : "auto";
  };
  put($("healed"), run.healed);
  put(flag, run.violation ? run.violation.at : null);
  if (run.violation) {
    flag.textContent = `✗ ${run.violation.promise}: ${run.violation.what}`;
    flag.title = `${run.violation.title ?? ""} ${run.violation.what}`.trim();
  }
  // Both at one place: the violation says more.
  if (!flag.hidden && run.healed !== null && Math.abs(chart.x(run.healed) - chart.x(run.violation.at)) < 480) $("healed").hidden = true;
}

function ring() {
  const event = page.tab.selected, { chart } = page;
  const [x, y] = event ? chart.spot(event) : [-1, -1];
  $("ring").hidden = !event || x < 0 || x > chart.width || y < AXIS || y > chart.viewHeight;
  $("ring").style.left = GUTTER + x + "px";
  $("ring").style.top = y + chart.scroll + "px";
}

/** The whole run in a strip: how much happens when, and which part is in view. */
function overview() {
  const canvas = $("overview"), { chart, run, colours } = page, ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight, inner = chart.width;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, GUTTER * ratio, 0);
  const [low, high] = chart.limits, x = (place) => ((place - low) / (high - low)) * inner;
  for (const band of run.bands) {
    const from = x(chart.place(band.from));
    c.fillStyle = colours.band;
    c.fillRect(from, 0, Math.max(1, x(chart.place(band.until)) - from), height);
  }
  const counts = new Array(Math.ceil(inner / 3) + 1).fill(0);
  for (const event of chart.events) counts[Math.max(0, Math.floor(x(chart.place(event.at)) / 3))]++;
  const most = Math.max(1, ...counts);
  c.fillStyle = colours.lane;
  counts.forEach((count, index) => {
    const tall = Math.sqrt(count / most) * (height - 6);
    c.fillRect(index * 3, height - tall, 2, tall);
  });
  if (run.violation) {
    c.fillStyle = colours.broken;
    c.fillRect(x(chart.place(run.violation.at)) - 1, 0, 2.5, height);
  }
  const [from, until] = chart.view.map(x);
  c.fillStyle = colours.halo;
  c.fillRect(0, 0, from, height);
  c.fillRect(until, 0, inner - until, height);
  c.strokeStyle = colours.attempt(1);
  c.lineWidth = 2;
  c.strokeRect(from + 1, 1, Math.max(2, until - from - 2), height - 2);
}

function status() {
  const { chart, run } = page, lost = chart.arrows.filter((arrow) => arrow.lost).length;
  const of = page.shown.task === null ? "" : ` about ${run.tasks[page.shown.task].name} and its surroundings`;
  const hidden = run.events.length - chart.events.length;
  const bars = run.bars.filter((bar) => page.shown.task === null || bar.tasks[0].task === page.shown.task);
  $("status").textContent =
    `${run.lanes.length} lanes, ${chart.arrows.length} arrows (${lost} lost), ${bars.length} attempts, ` +
    `${run.bands.length} faults that last${of}.` + (hidden ? ` ${hidden} events are not shown.` : "");
  Object.assign($("status").dataset, { lanes: run.lanes.length, arrows: chart.arrows.length, lost, bars: bars.length, bands: run.bands.length });
}

// Details.

function facts(event) {
  const { run } = page, lane = (index) => `${run.lanes[index].name}, ${run.lanes[index].what}`;
  const number = event.number ? [["event", String(event.number)]] : [];
  if (event.type === "arrow") {
    const way = [["from", lane(event.from)], ["to", lane(event.to)], ["sent", seconds(event.sent)]];
    const came = event.lost
      ? [["lost", event.at > event.sent ? `would have arrived at ${seconds(event.at)}` : "on its way"]]
      : [["arrived", `${seconds(event.at)}, after ${span(event.at - event.sent)}`]];
    const taken = !event.waits ? [] : [["taken in", event.taken === null ? "never" : `${seconds(event.taken)}, after a wait of ${span(event.taken - event.at)}`]];
    return [...number, ...way, ...came, ...taken];
  }
  if (event.type === "point") return [...number, ["at", seconds(event.at)], ["where", lane(event.lane)], ["kind", event.kind]];
  const until = [["where", lane(event.lane)], ["from", seconds(event.from)], ["until", `${seconds(event.until)}, ${span(event.until - event.from)}`]];
  if (event.type === "band") return until;
  const ends = { ended: "by itself", killed: "it was killed", runs: "it still runs" };
  return [...until, ["ended", ends[event.end]]];
}

function title(event) {
  if (event.type === "bar") return `attempt ${event.tasks[0].attempt} at ${page.run.tasks[event.tasks[0].task].name}`;
  return event.what + (event.lost ? " (lost)" : "");
}

function showDetails() {
  const event = page.tab.selected ?? page.hovered, place = $("details");
  if (!event) {
    const hint = made("p", "Point at something, or go from event to event with the arrow keys.");
    hint.className = "hint";
    place.replaceChildren(...(page.shown.task === null ? [hint] : taskStory(page.shown.task)));
    return;
  }
  const list = made("dl");
  for (const [name, text] of facts(event)) list.append(made("dt", name), made("dd", text));
  if (event.tasks?.length) {
    const tasks = event.tasks.flatMap(({ task, attempt }) => [taskButton(task, page.run.tasks[task].name), attempt ? ` attempt ${attempt} ` : " "]);
    list.append(made("dt", event.tasks.length > 1 ? "tasks" : "task"), made("dd", ...tasks));
  }
  place.replaceChildren(made("h3", title(event)), list);
}

/** What the store said of a task, one state after the other. */
function taskStory(task) {
  const { run } = page, list = made("dl");
  for (const row of run.rows.filter((row) => row.task === task)) {
    list.append(made("dt", seconds(row.at)), made("dd", row.status + (row.attempt ? `, attempt ${row.attempt}` : "")));
  }
  return [made("h3", run.tasks[task].name + " in the store"), made("code", run.tasks[task].id), list];
}

function select(event, look) {
  page.tab.selected = event;
  if (event && look) {
    const time = event.at ?? event.from;
    if (!page.chart.sees(time)) page.chart.goto(time);
    const lane = page.chart.lanes[event.to ?? event.lane], scroller = $("scroller");
    if (lane.top < scroller.scrollTop || lane.top + lane.height + AXIS + FLAGS > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = lane.top - scroller.clientHeight / 3;
    }
  }
  if (event) toRow(event);
  showDetails();
  redraw();
}

/** The next event, or the one before. */
function go(by) {
  const { events } = page.chart;
  const now = events.indexOf(page.tab.selected);
  const first = () => events.findIndex((event) => page.chart.sees(event.at));
  const next = now < 0 ? Math.max(0, first()) : now + by;
  if (events[next]) select(events[next], true);
}

// The list of events: only the rows in view are elements.

function toRow(event) {
  const list = $("list"), top = page.chart.events.indexOf(event) * LINE;
  if (top < 0) return;
  if (top < list.scrollTop || top + LINE > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
}

/** Rows by their places in the list of events that they are of. */
const rows = { of: null, at: new Map() };

function fillList() {
  const { chart } = page, list = $("list"), { events } = chart;
  if (rows.of !== events) {
    rows.of = events;
    rows.at.clear();
    $("rows").replaceChildren();
    $("rows").style.height = events.length * LINE + "px";
  }
  const first = Math.max(0, Math.floor(list.scrollTop / LINE) - 4);
  const last = Math.min(events.length, first + Math.ceil(list.clientHeight / LINE) + 8);
  for (const [place, row] of rows.at) {
    if (place >= first && place < last) continue;
    row.remove();
    rows.at.delete(place);
  }
  for (let place = first; place < last; place++) {
    if (!rows.at.has(place)) {
      rows.at.set(place, rowOf(events[place], place));
      $("rows").append(rows.at.get(place));
    }
    const row = rows.at.get(place), on = events[place] === page.tab.selected;
    row.classList.toggle("on", on);
    row.classList.toggle("outside", !chart.sees(events[place].at));
    row.setAttribute("aria-selected", on);
  }
  const on = events.indexOf(page.tab.selected);
  if (on >= first && on < last) list.setAttribute("aria-activedescendant", "row-" + on);
  else list.removeAttribute("aria-activedescendant");
}

function rowOf(event, place) {
  const { chart, run } = page, name = (lane) => run.lanes[lane].name;
  const where = event.type === "arrow" ? name(event.to) + (event.lost ? "x-" : "<-") + name(event.from) : name(event.lane);
  const kind = event.lost ? "lost" : event.type === "point" ? event.kind : event.store ? "store" : "message";
  const what = event.what + (event.waits ? " (waits)" : "");
  const cells = [event.number || "", seconds(event.at), where, kind, chart.nameOf(event, 1), what];
  const row = made("div", ...cells.map((text) => made("span", String(text))));
  Object.assign(row, { className: "row " + kind, id: "row-" + place, onclick: () => select(event, true) });
  Object.assign(row, { onmouseenter: () => hover(event), onmouseleave: () => hover(null) });
  row.setAttribute("role", "option");
  row.style.top = place * LINE + "px";
  return row;
}

function hover(event) {
  if (event === page.hovered) return;
  page.hovered = event;
  showDetails();
  const { chart } = page;
  chart.draw(page.colours, page.hovered ?? page.tab.selected);
}

// What is shown.

function show(change) {
  Object.assign(page.shown, change);
  page.chart.select({ ...page.shown });
  if (!page.chart.events.includes(page.tab.selected)) page.tab.selected = null;
  controls();
  page.hovered = null;
  $("list").scrollTop = 0;
  showDetails();
  status();
  redraw();
}

function controls() {
  const { task, routine, even } = page.shown;
  $("task").value = task === null ? "" : page.run.tasks[task].name;
  $("task").setAttribute("aria-invalid", "false");
  $("every").hidden = task === null;
  $("routine").checked = routine;
  $("even").checked = even;
}

function follow(task) {
  page.tab.selected = null;
  show({ task });
}

function toViolation() {
  const { chart, run } = page;
  if (!run.violation) return;
  chart.goto(run.violation.at, chart.times ? Math.min(40, chart.times.length) : Math.max(run.latency * 60, 4e5));
  const before = chart.events.filter((event) => event.at <= run.violation.at);
  select(before[before.length - 1] ?? null);
}

function zoom(factor) {
  const { chart } = page, [x] = page.tab.selected ? chart.spot(page.tab.selected) : [chart.width / 2];
  chart.zoom(factor, x < 0 || x > chart.width ? chart.width / 2 : x);
  moved();
}

function whole() {
  page.chart.whole();
  moved();
}

const keys = {
  ArrowRight: () => go(1), ArrowLeft: () => go(-1), ArrowDown: () => go(1), ArrowUp: () => go(-1),
  Home: () => select(page.chart.events[0] ?? null, true), End: () => select(page.chart.events.at(-1) ?? null, true),
  "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), 0: whole, v: toViolation, V: toViolation,
  Escape: () => (page.tab.selected ? select(null) : show({ task: null })),
};

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const move = event.shiftKey && { ArrowLeft: -120, ArrowRight: 120 }[event.key];
  if (move) {
    page.chart.move(move);
    moved();
  } else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
}

function pointer() {
  const canvas = $("canvas"), tip = $("tip");
  let drag = null;
  const under = (event) => page.chart.hit(event.offsetX, event.offsetY);
  canvas.onpointerdown = (event) => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (drag) {
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (!drag.moved) return;
      canvas.classList.add("drags");
      tip.hidden = true;
      page.chart.move(-dx);
      $("scroller").scrollTop -= dy;
      Object.assign(drag, { x: event.clientX, y: event.clientY });
      moved();
      return;
    }
    const found = under(event);
    hover(found[0] ?? null);
    showTip(found, event.offsetX, event.offsetY);
  };
  canvas.onpointerup = (event) => {
    const found = drag && !drag.moved ? under(event) : null;
    // Click by click through what lies on one another.
    if (found) select(found[(found.indexOf(page.tab.selected) + 1) % found.length] ?? null);
    drag = null;
    canvas.classList.remove("drags");
  };
  canvas.onpointerleave = () => {
    tip.hidden = true;
    hover(null);
  };
  canvas.ondblclick = (event) => {
    const about = under(event).find(({ tasks }) => tasks?.length);
    if (about) follow(about.tasks[0].task);
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const side = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(side) > Math.abs(event.deltaY) || event.shiftKey) page.chart.move(side);
    else page.chart.zoom(Math.exp(event.deltaY * 0.0016), event.offsetX);
    tip.hidden = true;
    moved();
  }, { passive: false });
  const strip = $("overview");
  strip.onpointerdown = strip.onpointermove = (event) => {
    if (event.buttons !== 1) return;
    strip.setPointerCapture(event.pointerId);
    const [low, high] = page.chart.limits, [from, until] = page.chart.view;
    const place = low + ((event.offsetX - GUTTER) / page.chart.width) * (high - low);
    page.chart.look(place - (until - from) / 2, place + (until - from) / 2);
    moved();
  };
}

function showTip([event, ...others], x, y) {
  const tip = $("tip");
  tip.hidden = !event;
  if (!event) return;
  const named = (event) => title(event) + (event.tasks?.length && event.type !== "bar" ? " · " + page.chart.nameOf(event, 6) : "");
  const also = others.slice(0, 4).map((other) => "and here: " + named(other));
  const more = others.length > 4 ? [`and ${others.length - 4} more`] : [];
  tip.textContent = [named(event), ...facts(event).map((fact) => fact.join(" ")), ...also, ...more].join("\n");
  const left = Math.min(GUTTER + x + 14, $("chart").clientWidth - tip.offsetWidth - 4);
  const below = y + 16 + tip.offsetHeight < $("chart").clientHeight;
  tip.style.left = Math.max(0, left) + "px";
  tip.style.top = (below ? y + 16 : Math.max(0, y - tip.offsetHeight - 10)) + "px";
}

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  page.colours = coloursNow();
  for (const canvas of document.querySelectorAll("[data-pattern]")) {
    const c = canvas.getContext("2d");
    c.clearRect(0, 0, 44, 16);
    pattern(c, canvas.dataset.pattern, 0, 0, 44, 16, page.colours);
  }
  if (page.chart) redraw();
}

function wire() {
  $("task").oninput = () => {
    const wanted = $("task").value.trim();
    const task = page.run.tasks.findIndex(({ name, id }) => wanted === name || wanted === id);
    if (task >= 0 || wanted === "") show({ task: task < 0 ? null : task });
    else $("task").setAttribute("aria-invalid", "true");
  };
  $("every").onclick = () => show({ task: null });
  $("routine").onchange = () => show({ routine: $("routine").checked });
  $("even").onchange = () => show({ even: $("even").checked });
  $("in").onclick = () => zoom(0.6);
  $("out").onclick = () => zoom(1 / 0.6);
  $("all").onclick = whole;
  $("goto").onclick = $("violation").onclick = toViolation;
  $("theme").onclick = () => theme(document.documentElement.dataset.theme !== "dark");
  $("canvas").onkeydown = $("list").onkeydown = onKey;
  $("list").onscroll = fillList;
  $("scroller").onscroll = redraw;
  new ResizeObserver(resize).observe($("chart"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.onchange = () => theme(dark.matches);
  theme(dark.matches);
  pointer();
}

wire();
header();
open(0);
