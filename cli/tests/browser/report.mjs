// SPDX-License-Identifier: Apache-2.0

// The page of `sa-hygiene audit -o html` in Chromium: node report.mjs PAGE HOSTILE_PAGE [SCREENSHOTS].
// Sorts, filters, opens, prints; by keyboard; loads nothing; names with markup stay text; contrasts; both colour schemes.

import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page, hostilePage, pictures] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
let passed = 0;

async function test(name, file, { forbidden = 0, ...options }, run) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const tab = await context.newPage();
  const url = pathToFileURL(resolve(file)).href;
  const requests = [];
  const complaints = [];
  tab.on("request", (request) => requests.push(request.url()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("console", (message) => complaints.push(message.text()));
  tab.on("dialog", (dialog) => complaints.push(dialog.message()));
  await tab.goto(url);
  try {
    await run(tab);
    assert.deepEqual(requests.filter((it) => it.split("#")[0] !== url), [], "nothing is loaded");
    const violations = complaints.filter((it) => it.includes("Content Security Policy"));
    assert.equal(violations.length, forbidden, `${violations}`);
    assert.equal(complaints.length, forbidden, `no errors, no dialogs: ${complaints}`);
    passed += 1;
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(`not ok ${name}\n${error.stack}`);
    process.exitCode = 1;
  }
  await context.close();
}

const column = (tab, index) =>
  tab.$$eval("#table tbody tr:not([hidden])", (rows, at) => rows.map((row) => row.cells[at].textContent), index);

await test("sorts by each column, both ways", page, {}, async (tab) => {
  const before = await column(tab, 0);
  for (let index = 0; index < 9; index += 1) {
    const header = tab.locator("#table thead th").nth(index);
    assert.equal(await header.getAttribute("aria-sort"), "none");
    await header.locator("button").click();
    assert.equal(await header.getAttribute("aria-sort"), "ascending");
    const up = await column(tab, index);
    await header.locator("button").click();
    assert.equal(await header.getAttribute("aria-sort"), "descending");
    const down = await column(tab, index);
    assert.equal(up.length, before.length);
    assert.deepEqual([...up].sort(), [...down].sort());
    if (index === 1) {
      assert.deepEqual(up, [...up].sort());
      assert.deepEqual(down, [...up].sort().reverse());
    }
    if (index === 6) {
      const numbers = up.map((it) => Number(it.replaceAll(",", "")));
      assert.deepEqual(numbers, [...numbers].sort((one, other) => one - other), "as numbers");
    }
  }
  await tab.locator("#table thead button").first().click();
  assert.deepEqual(await column(tab, 0), before, "the first column restores the order: the most urgent first");
});

await test("filters by words, recommendation and namespace", page, {}, async (tab) => {
  const all = (await column(tab, 0)).length;
  const said = () => tab.locator("#shown").textContent();
  assert.equal(await said(), `${all} of ${all} rows`);
  await tab.fill("#search", "CLUSTER-ADMIN runner");
  assert.deepEqual(await column(tab, 3), ["runner"]);
  assert.equal(await said(), `1 of ${all} rows`);
  await tab.fill("#search", "no such thing");
  assert.equal(await said(), `0 of ${all} rows`);
  await tab.click("button[type=reset]");
  await tab.waitForFunction((text) => document.getElementById("shown").textContent === text, `${all} of ${all} rows`);
  await tab.selectOption("#recommendation", "keep, used");
  assert.ok((await column(tab, 0)).every((it) => it === "keep, used"));
  await tab.selectOption("#namespace", "shop");
  assert.deepEqual(await column(tab, 1), ["shop"]);
});

await test("by keyboard alone", page, {}, async (tab) => {
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.className), "skip");
  await tab.keyboard.press("Enter");
  await tab.keyboard.press("Tab");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "search");
  await tab.keyboard.type("runner");
  assert.equal((await column(tab, 0)).length, 1);
  await tab.locator("#table thead button").first().focus();
  await tab.keyboard.press("Space");
  assert.equal(await tab.locator("#table thead th").first().getAttribute("aria-sort"), "ascending");
  await tab.locator("#table tbody a:visible").first().focus();
  await tab.keyboard.press("Enter");
  await tab.waitForFunction(() => document.activeElement.tagName === "SUMMARY");
  const opened = tab.locator("details[open]");
  assert.match(await opened.locator("summary").textContent(), /ci\/runner/);
  assert.match(await opened.textContent(), /ClusterRoleBinding ci-runner grants ClusterRole cluster-admin/);
});

await test("for screen readers", page, {}, async (tab) => {
  const unnamed = await tab.evaluate(() => {
    const named = (it) => it.labels?.length || it.getAttribute("aria-label") || it.textContent.trim() || it.getAttribute("aria-labelledby");
    return [...document.querySelectorAll("input, select, button, a, summary, [tabindex], section")].filter((it) => !named(it)).length;
  });
  assert.equal(unnamed, 0, "everything that can be used has a name");
  const tree = await tab.locator("body").ariaSnapshot();
  for (const part of ["banner", "main", "heading \"API tokens in use\" [level=1]", "table \"Most urgent first", "columnheader \"Recommendation\"", "searchbox \"Search\"", "combobox \"Namespace\"", "img \"1 "]) {
    assert.ok(tree.includes(part), `${part}\n${tree.slice(0, 3000)}`);
  }
  assert.equal(await tab.locator("html").getAttribute("lang"), "en");
  const levels = await tab.$$eval("h1, h2, h3", (all) => all.map((it) => Number(it.tagName[1])));
  assert.ok(levels.every((level, index) => index === 0 || level <= levels[index - 1] + 1), `${levels}`);
});

// https://www.w3.org/TR/WCAG21/#contrast-minimum
const contrasts = () => {
  const luminance = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((it) => it / 255);
    const [red, green, blue] = parts.map((it) => (it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = (it) => {
    for (; it; it = it.parentElement) {
      const color = getComputedStyle(it).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("h1, h2, p, li, .tag, .why, td, th button, caption, a, dt, dd, summary, label, output")].map((it) => {
    const [one, other] = [getComputedStyle(it).color, background(it)].map(luminance);
    return { what: `${it.tagName}.${it.className}`, ratio: (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) };
  });
};

for (const colorScheme of ["light", "dark"]) {
  await test(`contrast in ${colorScheme}`, page, { colorScheme }, async (tab) => {
    const found = await tab.evaluate(contrasts);
    assert.ok(found.length > 50);
    assert.deepEqual(found.filter((it) => it.ratio < 4.5), []);
    if (pictures) await tab.screenshot({ path: join(pictures, `report-${colorScheme}.png`) });
  });
}

await test("an open account", page, {}, async (tab) => {
  await tab.locator("#table tbody a").first().click();
  await tab.waitForSelector("details[open]");
  if (pictures) await tab.screenshot({ path: join(pictures, "report-account.png") });
});

await test("on a narrow screen", page, { viewport: { width: 390, height: 800 } }, async (tab) => {
  const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page scrolls sideways by ${overflow}`);
  if (pictures) await tab.screenshot({ path: join(pictures, "report-narrow.png") });
});

await test("on paper", page, {}, async (tab) => {
  await tab.emulateMedia({ media: "print" });
  await tab.evaluate(() => dispatchEvent(new Event("beforeprint")));
  assert.equal(await tab.locator("details:not([open])").count(), 0, "everything is open");
  assert.equal(await tab.locator("#filters").isVisible(), false);
  assert.equal(await tab.locator("#table").isVisible(), true);
  const paper = await tab.pdf({ format: "A4", landscape: true });
  assert.ok(paper.length > 10_000);
  if (pictures) await tab.screenshot({ path: join(pictures, "report-print.png") });
  await tab.evaluate(() => dispatchEvent(new Event("afterprint")));
  assert.equal(await tab.locator("details[open]").count(), 0);
});

await test("without scripts", page, { javaScriptEnabled: false }, async (tab) => {
  assert.equal(await tab.locator("#filters").isVisible(), false);
  assert.equal(await tab.locator("#table tbody tr").first().isVisible(), true);
});

await test("names with markup stay text", hostilePage, {}, async (tab) => {
  assert.equal(await tab.locator("img").count(), 0);
  assert.equal(await tab.locator("script").count(), 1);
  assert.match(await tab.locator("#table").textContent(), /<img src=x onerror=alert\(1\)>/);
  await tab.locator("#table thead button").nth(2).click();
  await tab.locator("#table tbody a").first().click();
  await tab.waitForSelector("details[open]");
});

await test("the page's policy forbids other scripts", page, { forbidden: 1 }, async (tab) => {
  const ran = await tab.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    return window.ran === true;
  });
  assert.equal(ran, false);
});

await browser.close();
console.log(`${passed} passed`);
