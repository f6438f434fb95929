// SPDX-License-Identifier: Apache-2.0
// Asks the daemon every five seconds while somebody looks, and shows what it says. Whatever comes
// from it is put in as text, never as markup.
(() => {
'use strict';

const POLL_MS = 5000;
const PATIENCE_MS = 4500;
const MINUTE_MS = 60000;
const DAY_S = 86400;
const MIB = 1024 * 1024;
const FEW_ROWS = 10;

const find = (id) => document.getElementById(id);

// An element with a class and text or elements in it.
function make(tag, className, ...content) {
	const element = document.createElement(tag);
	if (className) {
		element.className = className;
	}
	element.append(...content.filter((part) => part !== null));
	return element;
}

function say(id, text) {
	const element = find(id);
	if (element.textContent !== text) {
		element.textContent = text;
	}
}

// --- words for numbers and times ---

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const clock = new Intl.DateTimeFormat('en-GB', {timeStyle: 'medium'});
const minute = new Intl.DateTimeFormat('en-GB', {timeStyle: 'short'});
const calendar = new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium'});
const moment = new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'long'});

// With about three digits, however large.
function some(number) {
	if (number === null || number === undefined || Number.isNaN(number)) {
		return '–';
	}
	const digits = number >= 100 || number === 0 ? 0 : number >= 10 ? 1 : 2;
	return new Intl.NumberFormat('en', {maximumFractionDigits: digits}).format(number);
}

const milliseconds = (ms) => (ms === null || ms === undefined ? '–' :
	ms >= 1000 ? `${some(ms / 1000)} s` : `${some(ms)} ms`);

function plural(count, one, many) {
	return `${whole.format(count)} ${count === 1 ? one : many}`;
}

// A length of time in its largest unit.
function lasting(seconds) {
	const units = [[DAY_S, 'day', 'days'], [3600, 'hour', 'hours'], [60, 'minute', 'minutes']];
	for (const [size, one, many] of units) {
		if (seconds >= 2 * size || (size === DAY_S && seconds >= size)) {
			return plural(Math.floor(seconds / size), one, many);
		}
	}
	return plural(Math.max(0, Math.floor(seconds)), 'second', 'seconds');
}

// The same where room is short.
function briefly(seconds) {
	for (const [size, unit] of [[DAY_S, 'd'], [3600, 'h'], [60, 'min']]) {
		if (seconds >= 2 * size) {
			return `${whole.format(Math.floor(seconds / size))} ${unit}`;
		}
	}
	return `${whole.format(Math.max(0, Math.floor(seconds)))} s`;
}

// A time of the daemon, by its own clock: an element that says more when asked.
function timeElement(text, now) {
	const at = new Date(text);
	const isToday = Math.abs(now - at) < 20 * 3600 * 1000;
	const element = make('time', '', isToday ? clock.format(at) : calendar.format(at));
	element.dateTime = text;
	element.title = moment.format(at);
	return element;
}

// --- the parts of the page ---

// Redraws only what has changed, so that selected text and open lists stay.
const shown = new Map();
function changed(name, value) {
	const text = JSON.stringify(value);
	if (shown.get(name) === text) {
		return false;
	}
	shown.set(name, text);
	return true;
}

function showFacts(id, facts) {
	if (!changed(id, facts.map(([name, value, level]) => [name, value.textContent ?? value, level]))) {
		return;
	}
	find(id).replaceChildren(...facts.flatMap(([name, value, level]) =>
		[make('dt', '', name), make('dd', level, value)]));
}

// A table of a few rows, and of all when asked.
const opened = new Set();
function showTable(id, {caption, head, rows, empty}) {
	const place = find(id);
	if (rows.length === 0) {
		place.replaceChildren(make('p', 'empty', empty));
		return;
	}
	const isOpen = opened.has(id);
	const some = isOpen ? rows : rows.slice(0, FEW_ROWS);
	const titles = head.map(([title, className]) => {
		const cell = make('th', className, title);
		cell.scope = 'col';
		return cell;
	});
	const table = make('table', '', make('caption', '', caption),
		make('thead', '', make('tr', '', ...titles)), make('tbody', '', ...some));
	const hadFocus = place.contains(document.activeElement);
	const parts = [table];
	if (rows.length > FEW_ROWS) {
		const button = make('button', '', isOpen ? 'Show fewer' : `Show all ${rows.length}`);
		button.type = 'button';
		button.setAttribute('aria-expanded', String(isOpen));
		button.addEventListener('click', () => {
			if (!opened.delete(id)) {
				opened.add(id);
			}
			shown.delete(id);
			draw();
		});
		parts.push(button);
	}
	place.replaceChildren(...parts);
	if (hadFocus) {
		place.querySelector('button')?.focus();
	}
}

function rowOf(...cells) {
	return make('tr', '', ...cells);
}

function rowHead(...content) {
	const cell = make('th', '', ...content);
	cell.scope = 'row';
	return cell;
}

function showPartners(status) {
	if (!changed('partners', [status.partners, status.partner_count])) {
		return;
	}
	const rows = status.partners.map((partner) => rowOf(
		rowHead(partner.name,
			partner.mode === 'test' ? make('span', 'badge', 'test') : null,
			partner.is_suspended ? make('span', 'badge bad', 'suspended') : null),
		make('td', 'number', whole.format(partner.stored)),
		make('td', 'number', whole.format(partner.duplicate)),
		make('td', 'number', whole.format(partner.refused))));
	const isPart = status.partner_count > status.partners.length;
	showTable('partners', {
		caption: isPart ? `The ${rows.length} of ${whole.format(status.partner_count)} that sent most`
			: `${plural(status.partner_count, 'partner', 'partners')}, by what they sent`,
		head: [['Partner'], ['Stored', 'number'], ['Repeated', 'number'], ['Refused', 'number']],
		rows,
		empty: status.database.state === 'ready' ? 'No partner is enrolled yet: intakectl partner add.'
			: 'The partners were not read from the database yet.',
	});
}

function refusalRow(refusal, now) {
	const times = refusal.count > 1 ? ` × ${whole.format(refusal.count)}` : '';
	const where = [refusal.path, ...refusal.codes].join(' · ');
	const who = refusal.partner ?? 'no partner';
	return rowOf(make('td', 'when', timeElement(refusal.at, now)),
		make('td', 'who', who),
		make('td', '', make('span', 'name', `${refusal.status} ${refusal.problem}`), times,
			make('span', 'inline', who), make('span', 'codes', where)));
}

function showRefusals(status, now) {
	if (!changed('refusals', status.latest_refusals)) {
		return;
	}
	showTable('refusals', {
		caption: 'Newest first; the same in a row is counted',
		head: [['When'], ['Partner', 'who'], ['Reason, resource, first errors']],
		rows: status.latest_refusals.map((refusal) => refusalRow(refusal, now)),
		empty: 'Nothing was refused since the start.',
	});
}

function showReasons(id, counts, title, empty) {
	if (!changed(id, counts)) {
		return;
	}
	const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
	const most = sorted.length > 0 ? sorted[0][1] : 1;
	const rows = sorted.map(([name, count]) => {
		const share = make('span', 'share');
		share.style.width = `${100 * count / most}%`;
		return rowOf(rowHead(name.replaceAll('_', ' '), share),
			make('td', 'number', whole.format(count)));
	});
	showTable(id, {caption: 'Since the start', head: [[title], ['Times', 'number']], rows, empty});
}

function showTiles(status, now) {
	const {rate, reports, queue, connections} = status;
	say('rate-reports', some(rate.reports_per_s));
	say('total-reports', `${whole.format(reports.stored)} stored, ${whole.format(reports.duplicate)} repeated in all`);
	say('rate-refused', some(rate.refused_per_s));
	say('total-refused', `${whole.format(reports.refused)} in all`);
	say('commit-p50', milliseconds(rate.commit_p50_ms));
	say('commit-p99', rate.commit_p99_ms === null ? 'no commit in this time' :
		`99 of 100 within ${milliseconds(rate.commit_p99_ms)}`);
	say('queue', whole.format(queue.reports));
	say('queue-limit', `of ${whole.format(queue.limit)} that may; ` +
		`${some(queue.bytes / MIB)} of ${some(queue.limit_bytes / MIB)} MiB`);
	say('connections', whole.format(connections.open));
	const busy = ['handshake', 'request', 'commit', 'answer'].filter((phase) => connections[phase] > 0);
	say('connection-phases', busy.map((phase) => `${whole.format(connections[phase])} in ${phase}`).join(', ') ||
		(connections.open > 0 ? 'all idle' : ''));
	const last = reports.last_commit_at;
	say('last-commit', last === null ? 'none yet' : `${briefly((now - new Date(last)) / 1000)} ago`);
	say('up-since', `Up for ${lasting((now - new Date(status.started_at)) / 1000)}, ` +
		plural(status.workers, 'worker', 'workers'));
}

function showDatabase(database, now) {
	const words = {ready: ['in use', 'good'], away: ['away', 'bad'], unknown: ['not asked yet', 'warn']};
	const [word, level] = words[database.state] ?? [database.state, 'warn'];
	const facts = [['State', word, level]];
	if (database.state === 'away') {
		facts.push(['Since', timeElement(database.away_since, now)], ['Because', database.reason]);
	}
	facts.push(['Connections', `${database.links - database.links_away} of ${database.links}`,
		database.links_away > 0 ? 'bad' : '']);
	facts.push(['Made so far', whole.format(database.connects)]);
	showFacts('database', facts);
}

// How a time of expiry stands; warn and bad are days ahead.
function expiryLevel(at, now, warn, bad) {
	const days = (new Date(at) - now) / 1000 / DAY_S;
	return days < bad ? 'bad' : days < warn ? 'warn' : 'good';
}

function expiryWords(at, now) {
	const seconds = (new Date(at) - now) / 1000;
	return seconds > 0 ? `in ${lasting(seconds)}` : `${lasting(-seconds)} ago`;
}

const certificateKinds = [
	{member: 'server_expires_at', name: 'Server', warn: 30, bad: 3,
		what: 'The server’s certificate expires', done: 'The server’s certificate has expired',
		effect: 'Partners cannot connect', remedy: 'Put a new one in place and run intakectl reload.'},
	{member: 'partner_ca_expires_at', name: 'Partner authority', warn: 30, bad: 3,
		what: 'A partner authority expires', done: 'A partner authority has expired',
		effect: 'Its partners are refused', remedy: 'Add a new one to tls.partner_ca, run intakectl reload, and enrol them under it.'},
	{member: 'crl_next_update_at', name: 'Revocation list', warn: 1, bad: 0.25,
		what: 'A revocation list runs out', done: 'A revocation list has run out',
		effect: 'Whoever has a certificate of its authority is refused', remedy: 'Fetch a new list and run intakectl reload.'},
];

function showCertificates(certificates, now) {
	showFacts('certificates', certificateKinds.map(({member, name, warn, bad}) => {
		const at = certificates[member];
		if (at === null) {
			return [name, 'none', ''];
		}
		const value = make('span', '', `${expiryWords(at, now)}, `, timeElement(at, now));
		return [name, value, expiryLevel(at, now, warn, bad)];
	}));
}

function showReload(reload, now) {
	const facts = [];
	if (reload.last_at === null) {
		facts.push(['Last reload', 'none since the start']);
	} else {
		const isRefused = reload.last_result === 'refused';
		const value = make('span', '', `${reload.last_result}, `, timeElement(reload.last_at, now));
		facts.push(['Last reload', value, isRefused ? 'bad' : 'good']);
	}
	facts.push(['Reloads', `${whole.format(reload.taken)} taken, ${whole.format(reload.refused)} refused`]);
	if (reload.needs_restart.length > 0) {
		facts.push(['Wait for a restart', reload.needs_restart.join(', '), 'warn']);
	}
	showFacts('reload', facts);
	if (changed('reload-faults', reload.faults)) {
		find('reload-faults').hidden = reload.faults.length === 0;
		find('reload-faults').replaceChildren(...reload.faults.map((fault) => make('li', '', fault)));
	}
}

// --- what needs attention ---

function certificateNotices(certificates, now) {
	return certificateKinds.flatMap(({member, warn, bad, what, done, effect, remedy}) => {
		const at = certificates[member];
		const level = at === null ? 'good' : expiryLevel(at, now, warn, bad);
		if (level === 'good') {
			return [];
		}
		const isOver = new Date(at) < now;
		return [{level, title: isOver ? done : `${what} ${expiryWords(at, now)}`,
			text: `${effect}${isOver ? '' : ' from then on'}. ${remedy}`}];
	});
}

function databaseNotice(status, now) {
	const {database} = status;
	const since = `${lasting((now - new Date(database.away_since)) / 1000)}`;
	return {level: 'bad', title: `The database has been away for ${since}`,
		text: `Reports are answered 503 and nothing is acknowledged. ${database.reason}`};
}

function noticesOf(status, now) {
	const notices = [];
	if (status.database.state === 'away') {
		notices.push(databaseNotice(status, now));
	} else if (!status.ready) {
		notices.push({level: 'bad', title: 'Reports cannot be stored', text: status.reason});
	} else if (status.latest_refusals.some(({status: code, at}) => code === 503 && Math.abs(now - new Date(at)) < MINUTE_MS)) {
		notices.push({level: 'warn', title: 'Reports were answered 503 within the last minute',
			text: 'Partners send them again. If it goes on: is the queue full, limits.input_pool_bytes too small, or the database slow?'});
	}
	const {queue} = status;
	if (queue.reports > queue.limit / 2 || queue.bytes > queue.limit_bytes / 2) {
		notices.push({level: 'warn', title: 'The queue for commits fills',
			text: 'Reports are answered 503 when it is full. Is the database slow?'});
	}
	notices.push(...certificateNotices(status.certificates, now));
	if (status.reload.last_result === 'refused') {
		notices.push({level: 'warn', title: 'The last reload was refused',
			text: 'The old configuration serves on.', faults: status.reload.faults});
	}
	if (status.reload.needs_restart.length > 0) {
		notices.push({level: 'warn', title: 'Settings wait for a restart',
			text: status.reload.needs_restart.join(', ')});
	}
	return notices;
}

function noticeElement({level, title, text, faults}) {
	const list = faults && faults.length > 0 ?
		make('ul', 'faults', ...faults.map((fault) => make('li', '', fault))) : null;
	return make('li', `notice ${level}`, make('strong', '', title), text, list);
}

function showNotices(notices) {
	find('notices').hidden = notices.length === 0;
	if (changed('notices', notices)) {
		find('notice-list').replaceChildren(...notices.map(noticeElement));
	}
}

const icons = {good: '%231a7a48', warn: '%23b57600', bad: '%23c0281f', unknown: '%23808a99'};
function showIcon(level) {
	const href = 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
		`<rect width="16" height="16" rx="4" fill="${icons[level]}"/>` +
		'<path d="M8 3v7m-3-3 3 3 3-3M4 13h8" stroke="white" stroke-width="1.8" fill="none"/></svg>';
	if (find('icon').href !== href) {
		find('icon').href = href;
	}
}

// Spoken by screen readers, so it changes only when the state does.
function showState(level, text) {
	if (!changed('state', [level, text])) {
		return;
	}
	find('state').className = `state ${level}`;
	say('state-text', text);
	document.title = `${text} – intaked`;
	showIcon(level);
}

function stateOf(status, notices) {
	if (status.database.state === 'away') {
		return ['bad', 'database away'];
	}
	if (!status.ready) {
		return ['bad', status.reason];
	}
	const attention = notices.length;
	const words = attention > 0 ? `serving, ${plural(attention, 'thing needs', 'things need')} attention` : 'serving';
	return [notices.some(({level}) => level === 'bad') ? 'bad' : attention > 0 ? 'warn' : 'good', words];
}

// --- charts ---

const perSecond = (history, name) => history[name].map((count) => count / history.step_s);
const asIs = (history, name) => history[name];
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const largest = (values) => values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);

const charts = [
	{id: 'reports', title: 'Reports a second', unit: some, values: perSecond, fold: total,
		series: [{name: 'stored', label: 'stored', color: '--first', fill: '--first-fill'},
			{name: 'duplicate', label: 'repeated', color: '--second', dash: [6, 4]}],
		summary: (sums) => `${whole.format(sums.stored)} stored and ${whole.format(sums.duplicate)} repeated in the time shown.`},
	{id: 'refused', title: 'Refusals a second', unit: some, values: perSecond, fold: total,
		series: [{name: 'refused', label: 'refused', color: '--third', fill: '--third-fill'}],
		summary: (sums) => `${whole.format(sums.refused)} refused in the time shown.`},
	{id: 'latency', title: 'Time of a commit', unit: milliseconds, values: asIs, fold: largest, isSparse: true,
		series: [{name: 'commit_p50_ms', label: 'median', color: '--first'},
			{name: 'commit_p99_ms', label: '99 of 100', color: '--fourth', dash: [6, 4]}],
		summary: (sums) => (sums.commit_p99_ms === null ? 'No commit in the time shown.' :
			`At worst 99 of 100 within ${milliseconds(sums.commit_p99_ms)} in the time shown.`)},
	{id: 'connections', title: 'Connections', unit: some, values: asIs, fold: largest,
		series: [{name: 'connections', label: 'open', color: '--second'}],
		summary: (sums) => `At most ${whole.format(sums.connections ?? 0)} open in the time shown.`},
];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function chartOptions(chart, width) {
	const axis = {stroke: color('--quiet'), font: '12px system-ui, sans-serif',
		grid: {stroke: color('--grid'), width: 1}, ticks: {show: false}};
	return {
		width, height: 180, legend: {show: false}, padding: [8, 20, 0, 0],
		cursor: {y: false, drag: {x: false, y: false}, points: {size: 7}},
		scales: {
			x: {time: true, range: () => chart.span},
			y: {range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1]},
		},
		axes: [
			{...axis, space: 54, size: 28, incrs: [60, 120, 300, 600, 900], values: (plot, ticks) => ticks.map((s) => minute.format(new Date(s * 1000)))},
			{...axis, size: 58, values: (plot, ticks) => ticks.map((value) => chart.unit(value))},
		],
		series: [{}, ...chart.series.map((series) => ({
			label: series.label, stroke: color(series.color), width: 2, dash: series.dash,
			fill: series.fill ? color(series.fill) : undefined,
			points: {show: (plot) => Boolean(chart.isSparse) || plot.data[0].length < 4, size: 4, fill: color(series.color)},
		}))],
		hooks: {setCursor: [() => showLegend(chart)]},
	};
}

// The values under the pointer, else the last ones.
function showLegend(chart) {
	const last = chart.data[0].length - 1;
	const at = chart.plot?.cursor.idx ?? last;
	chart.series.forEach((series, i) => {
		const value = last < 0 ? null : chart.data[i + 1][at];
		series.value.textContent = chart.unit(value);
	});
	chart.at.textContent = last >= 0 && at !== last ? clock.format(new Date(chart.data[0][at] * 1000)) : '';
}

function makeChart(chart) {
	const title = make('h3', '', chart.title);
	chart.summaryElement = make('p', 'summary');
	chart.summaryElement.id = `${chart.id}-summary`;
	chart.at = make('li', '');
	const legend = make('ul', 'legend', ...chart.series.map((series) => {
		const swatch = make('span', series.dash ? 'swatch dashed' : 'swatch');
		swatch.style.borderColor = `var(${series.color})`;
		series.value = make('b', '', '–');
		return make('li', '', swatch, series.label, series.value);
	}), chart.at);
	chart.place = make('div', 'plot');
	chart.place.setAttribute('role', 'img');
	chart.place.setAttribute('aria-label', chart.title);
	chart.place.setAttribute('aria-describedby', chart.summaryElement.id);
	chart.table = make('div', '');
	const details = make('details', '', make('summary', '', 'Values as a table',
		make('span', 'hidden', ` of ${chart.title.toLowerCase()}`)), chart.table);
	details.addEventListener('toggle', () => showChartTable(chart));
	chart.details = details;
	find('charts').append(make('figure', 'chart',
		make('figcaption', '', title, chart.summaryElement), legend, chart.place, details));
	new ResizeObserver(() => chart.plot?.setSize({width: chart.place.clientWidth, height: 180}))
		.observe(chart.place);
}

// The steps within the span, gathered into rows of equal length, newest first.
function chartRows(chart, history, span) {
	const length = span / 600 * 60 / history.step_s;
	const count = history.stored.length;
	const end = new Date(history.end_at) / 1000;
	const rows = [];
	for (let to = count; to > Math.max(0, count - span / history.step_s); to -= length) {
		const from = Math.max(0, to - length);
		const cells = chart.series.map(({name}) => chart.fold(history[name].slice(from, to)));
		rows.push({from: end - (count - from) * history.step_s, to: end - (count - to) * history.step_s, cells});
	}
	return rows;
}

function showChartTable(chart) {
	if (!chart.details.open || !answer) {
		return;
	}
	const head = ['From', ...chart.series.map(({label}) => label)].map((title, i) => {
		const cell = make('th', i > 0 ? 'number' : '', title);
		cell.scope = 'col';
		return cell;
	});
	const rows = chartRows(chart, answer.history, span()).map(({from, cells}) => {
		const cell = (value) => (chart.fold === total ? whole.format(value) : chart.unit(value));
		return rowOf(rowHead(minute.format(new Date(from * 1000))),
			...cells.map((value) => make('td', 'number', cell(value))));
	});
	const every = plural(span() / 600, 'minute', 'minutes');
	const what = chart.fold === total ? `Counts of ${every} each` : `Largest value of ${every} each`;
	chart.table.replaceChildren(make('table', '', make('caption', '', `${chart.title}. ${what}, newest first`),
		make('thead', '', make('tr', '', ...head)), make('tbody', '', ...rows)));
}

const span = () => Number(document.querySelector('input[name=span]:checked').value);

function showChart(chart, history) {
	const count = history.stored.length;
	const end = history.end_at === null ? Date.now() / 1000 : new Date(history.end_at) / 1000;
	const times = history.stored.map((_, i) => end - (count - 1 - i) * history.step_s);
	chart.span = [end - span(), end];
	chart.data = [times, ...chart.series.map(({name}) => chart.values(history, name))];
	const steps = Math.min(count, span() / history.step_s);
	const sums = Object.fromEntries(chart.series.map(({name}) => [name, chart.fold(history[name].slice(count - steps))]));
	chart.summaryElement.textContent = chart.summary(sums);
	if (!chart.plot) {
		chart.plot = new uPlot(chartOptions(chart, chart.place.clientWidth), chart.data, chart.place);
	} else {
		chart.plot.setData(chart.data);
	}
	showLegend(chart);
	showChartTable(chart);
}

function forgetPlots() {
	for (const chart of charts) {
		chart.plot?.destroy();
		chart.plot = null;
	}
}

// --- asking ---

let answer = null; // the last one: status, history, when it came
let failedSince = null;
let timer = null;
let isAsking = false;

function drawAnswer() {
	const {status, history} = answer;
	const now = new Date(new Date(status.now).getTime() + performance.now() - answer.cameAt);
	const notices = noticesOf(status, now);
	say('version', status.version);
	say('taxonomy', `taxonomy ${status.taxonomy}`);
	showTiles(status, now);
	showDatabase(status.database, now);
	showCertificates(status.certificates, now);
	showReload(status.reload, now);
	showPartners(status);
	showRefusals(status, now);
	showReasons('reasons', status.refusals, 'Problem', 'Nothing was refused since the start.');
	showReasons('handshakes', status.handshake_failures, 'Reason', 'None failed since the start.');
	charts.forEach((chart) => showChart(chart, history));
	return [notices, ...stateOf(status, notices)];
}

function draw() {
	let notices = [];
	let level = 'unknown';
	let words = 'asking the daemon';
	if (answer) {
		[notices, level, words] = drawAnswer();
	}
	if (failedSince !== null) {
		const since = clock.format(failedSince);
		notices = [{level: 'bad', title: 'The daemon does not answer',
			text: `Since ${since}. If it is up, it may be another version: load this page again. ` +
				(answer ? 'What is shown here is what it said last.' : '')}, ...notices];
		[level, words] = ['bad', 'not reachable'];
	}
	document.body.classList.toggle('stale', failedSince !== null);
	showNotices(notices);
	showState(level, words);
	showAge();
}

function showAge() {
	if (answer) {
		const seconds = (performance.now() - answer.cameAt) / 1000;
		say('age', seconds < 10 ? 'up to date' : `as of ${lasting(seconds)} ago`);
	}
}

async function fetchJson(path) {
	const response = await fetch(path, {cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS)});
	if (!response.ok) {
		throw new Error(`${path}: ${response.status}`);
	}
	return response.json();
}

async function ask() {
	clearTimeout(timer);
	if (isAsking) {
		return;
	}
	isAsking = true;
	const before = {answer, failedSince};
	try {
		const [status, history] = await Promise.all([fetchJson('status.json'), fetchJson('history.json')]);
		if (answer === null && history.stored.length * history.step_s > 900) {
			document.querySelector('input[name=span][value="3600"]').checked = true;
		}
		answer = {status, history, cameAt: performance.now()};
		failedSince = null;
		draw();
	} catch {
		// Or it answered what cannot be shown: an open page outlives the daemon that it came from.
		answer = before.answer;
		failedSince = before.failedSince ?? new Date();
		draw();
	}
	isAsking = false;
	if (!document.hidden) {
		timer = setTimeout(ask, POLL_MS);
	}
}

document.addEventListener('visibilitychange', () => {
	clearTimeout(timer);
	if (!document.hidden) {
		ask();
	}
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
	forgetPlots();
	draw();
});
for (const input of document.querySelectorAll('input[name=span]')) {
	input.addEventListener('change', draw);
}
say('zone', `Times are of ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`);
charts.forEach(makeChart);
setInterval(showAge, 1000);
ask();
})();
