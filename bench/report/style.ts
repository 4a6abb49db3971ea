/** The style of the page. It follows the system's light or dark mode. Colour-blind readers can tell its colours apart. */
export const STYLE = `
:root{color-scheme:light dark;--back:#fff;--text:#1c2128;--soft:#59636e;--rule:#d1d9e0;--grid:#e8ecf0;--head:#f4f6f8;
--c0:#0969da;--c1:#bc4c00;--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#6e5c00}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9da7b3;--rule:#3d444d;--grid:#262c36;--head:#161b22;
--c0:#58a6ff;--c1:#f0883e;--c2:#56d364;--c3:#bc8cff;--c4:#f778ba;--c5:#d9c054}}
body{background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1360px;padding:24px}
h1{font-size:1.6em;margin:0 0 .3em}h2{border-bottom:1px solid var(--rule);font-size:1.25em;margin:2em 0 .6em;padding-bottom:.25em}
h3{font-size:1em;margin:0 0 .5em}p,dl{margin:.4em 0 1em}.soft{color:var(--soft)}
dl{display:grid;gap:.15em 1em;grid-template-columns:max-content 1fr}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.side{display:grid;gap:24px;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr))}
figure{margin:0;min-width:0}figcaption{font-weight:600;margin-bottom:.4em}svg{display:block;height:auto;width:100%}
.tables{display:flex;flex-wrap:wrap;gap:24px 40px;margin-top:20px}.table{max-width:100%;overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{font-weight:600;padding-bottom:.4em;text-align:left}
th,td{border:1px solid var(--rule);padding:.3em .7em;text-align:right;white-space:nowrap}thead th{background:var(--head)}
th:first-child{text-align:left}tbody th{font-weight:500}tr.predicted>*{border-style:dashed;color:var(--soft);font-style:italic}
.axis,.grid,.line,.bar{fill:none}.axis{stroke:var(--soft)}.grid{stroke:var(--grid)}.tick,.label{fill:var(--text);font:12px system-ui,sans-serif}.label{fill:var(--soft)}
${Array.from({ length: 6 }, (_, i) => `.s${i}{--ink:var(--c${i})}`).join('')}
.line,.bar,.mark{stroke:var(--ink);stroke-width:1.8}.bar{stroke-width:1.2}.mark{fill:var(--ink)}.fill{fill:var(--ink)}
.band{fill:var(--ink);fill-opacity:.13}.predicted .line{stroke-dasharray:6 4}.predicted .mark{fill:var(--back)}.predicted .bar{stroke-dasharray:2 2}.open .band{stroke:var(--ink);stroke-dasharray:3 4}
.reference .line{stroke-dasharray:1 4;stroke-linecap:round;stroke:var(--soft)}details{margin-top:1em}summary{cursor:pointer}
@media print{body{max-width:none}}
`;
