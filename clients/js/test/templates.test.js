/** What the registry's own pages leave to be proven, and what they must not let pass for it. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

const TEMPLATES = new URL('../../../server/templates/', import.meta.url);
const read = (name) => readFileSync(new URL(name, TEMPLATES), 'utf8');

test('each mark of a page comes with what it takes to be verified', () => {
    const marked = readdirSync(TEMPLATES).filter((name) => read(name).includes('data-candor-record='));
    assert.deepEqual(marked.sort(), ['parts.html', 'record.html']);
    for (const name of marked) {
        for (const part of ['index', 'kind', 'subject', 'publisher'])
            assert.ok(read(name).includes(`data-shows="${part}"`), `${name} does not say which ${part} it shows`);
    }
});

test("a page says which words are the server's own, before it comes to them, and without a script", () => {
    const record = read('record.html');
    const own = "in this server's words; what is proven is";
    assert.ok(record.includes(`<h2>What it says</h2>\n<p class="quiet">I${own.slice(1)} the signed statement below.</p>`));
    // Nothing that the server says of what was found, or withdrawn, comes before that.
    const release = read('release.html');
    const at = release.indexOf(`${own} that the <a href="#records">records</a> below are in the log`);
    assert.ok(at > 0 && at < release.indexOf('Withdrawn.') && at < release.indexOf('parts::notices'));
    assert.ok(release.includes('id="records"'));
});
