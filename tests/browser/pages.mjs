/**
 * Opens pages in Chromium as readers do, and prints one line for each thing that is wrong:
 * `node pages.mjs URL MODULES PATH…`. MODULES is a folder with playwright-core and axe-core.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [url, modules, ...paths] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Counts what moves and what the policy refuses, from before the page's first script. */
function watch() {
  globalThis.shifted = 0;
  globalThis.refused = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.shifted += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
  document.addEventListener('securitypolicyviolation', (event) => globalThis.refused.push(event.violatedDirective));
}

async function look(browser, { scheme, width, scripts, policy }) {
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height: 900 },
    javaScriptEnabled: scripts,
    bypassCSP: !policy,
  });
  if (scripts) await context.addInitScript(watch);
  const page = await context.newPage();
  let path = '';
  const wrong = (what) => console.log(`${path} (${scheme}, ${width} px, scripts ${scripts}): ${what}`);
  let missing = false;
  page.on('console', (message) => {
    // Chromium reports a page that is not there as an error of its own.
    const own = missing && message.location().url === url + path;
    if (message.type() === 'error' && !own) wrong(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong(`error: ${error}`));
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol.startsWith('http') && asked.origin !== url) wrong(`asks ${asked.href}`);
  });
  page.on('response', (answer) => {
    if (answer.url() === url + path && answer.status() === 404) missing = true;
  });
  for (path of paths) {
    missing = false;
    await page.goto(url + path);
    if (scripts) await page.waitForTimeout(200);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) wrong(`${over} px wider than the window`);
    if (!(await page.evaluate(() => document.querySelector('h1')?.textContent.trim()))) wrong('no heading');
    if (!scripts) continue;
    const { shifted, refused } = await page.evaluate(() => ({ shifted, refused }));
    if (shifted > 0.05) wrong(`its layout shifts by ${shifted}`);
    if (refused.length > 0) wrong(`its policy refuses ${refused}`);
    if (policy) continue;
    await page.evaluate(axe);
    const { violations } = await page.evaluate((runOnly) => globalThis.axe.run({ runOnly }), tags);
    for (const { id, nodes } of violations) wrong(`${id}: ${nodes[0].html.slice(0, 160)}: ${nodes[0].failureSummary}`);
  }
  if ((await context.cookies()).length > 0) wrong('cookies');
  await context.close();
}

/** A page shows all that it has after one request, and what comes behind it is little. */
async function weigh(browser) {
  for (const path of paths) {
    // What a browser has already it does not load again, so each time it is another one.
    const [bare, whole] = [await browser.newContext(), await browser.newContext()];
    const page = await bare.newPage();
    await page.route('**/*', (route) => (route.request().isNavigationRequest() ? route.continue() : route.abort()));
    await page.goto(url + path);
    const { width, words } = await page.evaluate(() => ({
      width: getComputedStyle(document.body).maxWidth,
      words: document.querySelector('main').textContent.trim(),
    }));
    if (width === 'none' || !words) console.log(`${path}: one request shows no style, or no content`);
    const answers = [];
    const loading = await whole.newPage();
    loading.on('response', (answer) => answers.push(answer));
    await loading.goto(url + path, { waitUntil: 'networkidle' });
    const sizes = await Promise.all(answers.map((answer) => answer.request().sizes()));
    const bytes = sizes.reduce((sum, size) => sum + size.responseBodySize, 0);
    if (bytes > 150 * 1024) console.log(`${path}: all that it loads is ${bytes} bytes`);
    if (bytes < 1024) console.log(`${path}: what it loads is ${bytes} bytes, which can't be`);
    await bare.close();
    await whole.close();
  }
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const looks = [weigh(browser)];
for (const scheme of ['light', 'dark']) {
  for (const width of [360, 1440]) {
    looks.push(look(browser, { scheme, width, scripts: false, policy: true }));
    looks.push(look(browser, { scheme, width, scripts: true, policy: false }));
  }
}
looks.push(look(browser, { scheme: 'light', width: 1440, scripts: true, policy: true }));
await Promise.all(looks);
await browser.close();
console.log(`looked at ${paths.length} pages`);
