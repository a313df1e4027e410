// Whether results are those that we expect: pure, so that it can be tested without a proxy.

/** What the suite demands, what it recommends, and what it only asks. */
const KINDS = ['required', 'optimal', 'check'];

/**
 * Compares results with the tests that may fail. `tests` are the suite's, `results` are by id: `true`, or the reason;
 * `expected` are sentences by id.
 *
 * A test of the kinds `required` and `optimal` that fails and is not listed is a complaint, and so is one that is listed
 * and passes: the list says what is so. Tests of the kind `check` ask for a fact, and are only counted.
 */
export function compare(tests, results, expected) {
  const complaints = [];
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, { passed: 0, all: 0 }]));
  let passed = 0;
  const asked = tests.filter((test) => !test.browser_only);
  for (const { id, kind = 'required' } of asked) {
    const isPass = results[id] === true;
    counts[kind].all += 1;
    counts[kind].passed += isPass ? 1 : 0;
    if (kind === 'check') continue;
    const isListed = Object.hasOwn(expected, id);
    if (isPass && isListed) {
      complaints.push(`${id} (${kind}) passes now: take it off the list in expected.json`);
    } else if (!isPass && !isListed) {
      complaints.push(`${id} (${kind}) fails: ${reason(results[id])}`);
    } else if (isPass) {
      passed += 1;
    }
  }
  const judged = new Set(asked.filter((test) => test.kind !== 'check').map((test) => test.id));
  for (const id of Object.keys(expected).filter((listed) => !judged.has(listed))) {
    complaints.push(`${id} is listed in expected.json, and the suite has no such test to pass`);
  }
  const known = Object.keys(expected).length;
  const figures = KINDS.map((kind) => `${kind} ${counts[kind].passed} of ${counts[kind].all}`);
  return { complaints, passed, summary: `${figures.join(', ')}; ${known} known failures` };
}

function reason(result) {
  return Array.isArray(result) ? result.join(': ') : 'there is no result of it';
}
