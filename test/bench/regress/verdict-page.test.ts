/** The page of `regress --html`. */

import { describe, expect, it } from 'vitest';
import type { CaseCauses } from '../../../bench/regress/causes/causes.ts';
import type { MarkedResult } from '../../../bench/regress/report/machine-states.ts';
import { regressJunit, regressMarkdown, regressText } from '../../../bench/regress/report/report.ts';
import { htmlVerdict } from '../../../bench/regress/report/verdict-page.ts';
import { resultOf } from './made-up-results.ts';

const slower = (): MarkedResult => resultOf({ changes: { insert: 0.08, lookup: 0.001 } });
const frame = { name: 'createConn', depth: 0, before: 1000, after: 1500, ownBefore: 1000, ownAfter: 1500 };
const causes: CaseCauses[] = [
  {
    case: 'insert',
    sites: [{ site: 'create connection', lock: 'bucket', before: 200, after: 300, changePercent: 50 }],
    functions: [{ name: 'createConn', percent: 50 }],
    profile: { what: 'The packet path in JavaScript.', frames: [frame] },
    leftOut: ['other functions: there was no time'],
  },
];

describe('the page of a verdict', () => {
  it('says the verdict, both builds, and the change of each figure with its thresholds', () => {
    const page = htmlVerdict(slower());
    expect(page).toContain('<p class="verdict regressed">REGRESSED</p>');
    expect(page).toMatch(/base \(A\)<\/dt><dd>base<.*head \(B\)<\/dt><dd>head</);
    expect(page.match(/<span class="tolerate" style="left:/g)?.length).toBeGreaterThanOrEqual(2);
    expect(page).toMatch(/insert, time: time<.*class="bad".*\+8\.3/);
    expect(page).toMatch(/lookup, time: time<.*class="good".*\+0\.1/);
  });

  it('names the lock site, the function, and what was left out, and draws the profile', () => {
    const page = htmlVerdict({ ...slower(), causes });
    expect(page).toMatch(/create connection<\/th><td>bucket<\/td><td>200 ns<\/td><td>300 ns<\/td><td>\+50\.0/);
    expect(page).toContain('Function createConn takes 50.0 % of the whole time more than before.');
    expect(page).toContain('Left out: other functions: there was no time.');
    expect(page).toMatch(/<div class="flame"[^]*createConn: 100\.0 % before, 100\.0 % after; difference \+50\.0 %/);
  });

  it('says why a command has no causes, and asks none of a verdict that is fine', () => {
    expect(htmlVerdict(slower())).toMatch(/Of a command.*regress knows only the times/);
    expect(htmlVerdict(resultOf({ changes: { insert: 0 } }))).not.toContain('Why is it slower?');
  });

  it('is loud about a machine that was not quiet', () => {
    expect(htmlVerdict(slower())).not.toContain('NOT QUIET');
    expect(htmlVerdict({ ...slower(), states: ['shard 1/2: much load'] })).toMatch(/class="loud".*NOT QUIET/);
  });

  it('loads nothing, and escapes what others wrote', () => {
    const evil = '<script>alert(1)</script>';
    const result = { ...slower(), base: { label: evil }, causes: [{ ...causes[0]!, leftOut: [evil] }] };
    const page = htmlVerdict(result);
    expect(page).not.toMatch(/<script|<link|<img|https?:|url\(|src=|href=/);
    expect(page).toContain('&lt;script&gt;');
  });
});

describe('a figure with too few pairs', () => {
  const early = (verdict: MarkedResult['verdict']): MarkedResult => {
    const result = slower();
    const reason = 'only 2 pairs; what is not huge needs 9';
    const [first, second] = result.figures;
    const open = { ...second!, verdict: 'inconclusive' as const, pairs: 2, fewestPairs: 9, reason };
    return { ...result, verdict, figures: [first!, open] };
  };

  it('is not judged if another figure regressed before', () => {
    const result = early('regressed');
    for (const text of [regressText(result), regressMarkdown(result), htmlVerdict(result), regressJunit(result)]) {
      expect(text.replaceAll(/\s+/g, ' ')).toContain('not judged: the verdict was certain before');
      expect(text).not.toContain('inconclusive');
    }
    expect(regressJunit(result)).toContain('failures="1" errors="0" skipped="1"');
  });

  it('is inconclusive if the whole verdict is', () => {
    expect(regressText(early('inconclusive'))).toContain('only 2 pairs');
    expect(regressText(early('inconclusive'))).not.toContain('certain before');
  });
});
