// SPDX-License-Identifier: Apache-2.0
// A browser that a test drives: a request a line on standard input, an answer a line on standard
// output, both JSON. Arguments: the folder of node_modules, and the program of the browser.
//
// It keeps what a reader of the page would not see: errors on the console, and every request.
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');

const [modules, program] = process.argv.slice(2);
const {chromium} = require(path.join(modules, 'playwright-core'));
const axeSource = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'), 'utf8');

let browser;
let page;
let errors = [];
let requests = [];

async function openPage({url, width, height, scheme, motion}) {
	browser ??= await chromium.launch({executablePath: program,
		args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']});
	await page?.context().close();
	const context = await browser.newContext({viewport: {width, height}, colorScheme: scheme,
		reducedMotion: motion ?? 'no-preference', deviceScaleFactor: 1});
	page = await context.newPage();
	errors = [];
	requests = [];
	page.on('console', (message) => {
		if (['error', 'warning'].includes(message.type())) {
			errors.push(message.text());
		}
	});
	page.on('pageerror', (error) => errors.push(String(error)));
	page.on('request', (request) => requests.push(request.url()));
	await page.goto(url);
}

// A browser evaluates what it is told by its debugger whatever the page's policy: axe needs no hole.
async function findViolations() {
	await page.evaluate(axeSource);
	const {violations} = await page.evaluate(() => axe.run(document, {
		runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}));
	return violations.flatMap(({id, nodes}) => nodes.map(({html, failureSummary}) =>
		`${id}: ${html.slice(0, 200)}: ${failureSummary}`));
}

// What Tab reaches, from the top, until it leaves the page or comes round.
async function tabStops() {
	await page.evaluate(() => document.activeElement?.blur());
	const stops = [];
	for (let i = 0; i < 200; i++) {
		await page.keyboard.press('Tab');
		const stop = await page.evaluate(() => {
			const element = document.activeElement;
			const outline = getComputedStyle(element);
			const beside = element.nextElementSibling && getComputedStyle(element.nextElementSibling);
			return element === document.body ? null : {
				name: (element.getAttribute('aria-label') ?? element.textContent ?? '').trim() || element.value,
				tag: element.localName,
				isMarked: [outline, beside].some((style) => style && style.outlineStyle !== 'none'),
			};
		});
		if (stop === null || stops.some(({name, tag}) => name === stop.name && tag === stop.tag)) {
			break;
		}
		stops.push(stop);
	}
	return stops;
}

// Whether an expression is true within the time. Asked again and again by the debugger: the page's
// policy lets nothing in it evaluate text.
async function becomesTrue({script, ms}) {
	const deadline = Date.now() + ms;
	while (!await page.evaluate(script)) {
		if (Date.now() > deadline) {
			return false;
		}
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	return true;
}

const actions = {
	open: openPage,
	violations: findViolations,
	stops: tabStops,
	press: ({key}) => page.keyboard.press(key),
	click: ({selector}) => page.click(selector),
	scheme: ({scheme}) => page.emulateMedia({colorScheme: scheme}),
	evaluate: ({script}) => page.evaluate(script),
	wait: becomesTrue,
	shot: ({file}) => page.screenshot({path: file, fullPage: true}),
	seen: () => ({errors, requests}),
	forget: () => {
		errors = [];
		requests = [];
	},
	quit: () => browser?.close(),
};

async function main() {
	for await (const line of readline.createInterface({input: process.stdin})) {
		const request = JSON.parse(line);
		let answer;
		try {
			answer = {value: (await actions[request.action](request)) ?? null};
		} catch (error) {
			answer = {error: String(error)};
		}
		process.stdout.write(`${JSON.stringify(answer)}\n`);
	}
	await browser?.close();
}

main();
