"""The colours, fonts and arrowheads of a picture: one sheet, light and dark.

Standing alone, a picture follows the reader's system; inside a page it follows that page's `dark` class (as the admin
sets it) and has no background of its own. Every rule begins with `.cb-net`, so it touches nothing else on the page.
"""

_LIGHT = (
    "--ink:#334155;--text:#0f172a;--muted:#64748b;--paper:#ffffff;--place:#ffffff;--step:#f1f5f9;"
    "--accent:#7c3aed;--marked:#ede9fe;--stop:#dc2626;--sweep:#b45309"
)
_DARK = (
    "--ink:#94a3b8;--text:#f1f5f9;--muted:#94a3b8;--paper:#0f172a;--place:#1e293b;--step:#334155;"
    "--accent:#a78bfa;--marked:#4c1d95;--stop:#f87171;--sweep:#fbbf24"
)
SHEET = f"""
.cb-net{{{_LIGHT};font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}}
.dark .cb-net{{{_DARK}}}
.cb-net:root{{background:var(--paper)}}
@media (prefers-color-scheme:dark){{.cb-net:root{{{_DARK}}}}}
.cb-net text{{fill:var(--text);text-anchor:middle;font-size:12px}}
.cb-net text{{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}}
.cb-net .transition text,.cb-net .count{{stroke:none}}
.cb-net .note{{fill:var(--accent);font-size:10.5px}}
.cb-net .guard{{fill:var(--muted);font-size:10.5px;font-style:italic}}
.cb-net .small{{fill:var(--muted);font-size:10px}}
.cb-net .weight{{font-size:11px;font-weight:600;paint-order:stroke;stroke:var(--paper);stroke-width:4px}}
.cb-net .circle{{fill:var(--place);stroke:var(--ink);stroke-width:1.6}}
.cb-net .box{{fill:var(--step);stroke:var(--ink);stroke-width:1.6}}
.cb-net .marked .circle{{fill:var(--marked);stroke:var(--accent);stroke-width:2}}
.cb-net .enabled .box{{stroke:var(--accent);stroke-width:2.4}}
.cb-net .dot{{fill:var(--accent)}}
.cb-net .count{{fill:var(--text);font-weight:700;font-size:13px}}
.cb-net .ring{{fill:none;stroke:var(--ink);stroke-width:1}}
.cb-net .start{{fill:var(--ink)}}
.cb-net .pill{{fill:var(--paper);stroke:var(--ink);stroke-width:1}}
.cb-net .arc{{fill:none;stroke:var(--ink);stroke-width:1.4}}
.cb-net .arc.reads{{stroke-dasharray:5 4}}
.cb-net .arc.inhibits{{stroke:var(--stop)}}
.cb-net .arc.empties{{stroke:var(--sweep)}}
.cb-net .head{{fill:var(--ink)}}
.cb-net .head.inhibits{{fill:var(--paper);stroke:var(--stop);stroke-width:1.4}}
.cb-net .head.empties{{fill:var(--sweep)}}
"""

HEADS = (
    '<marker id="cb-arrow" viewBox="0 0 9 8" refX="8.5" refY="4" markerWidth="9" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 9 4 0 8z"/></marker>'
    '<marker id="cb-ring" viewBox="0 0 10 10" refX="9.3" refY="5" markerWidth="10" markerHeight="10" '
    'markerUnits="userSpaceOnUse" orient="auto"><circle class="head inhibits" cx="5" cy="5" r="4"/></marker>'
    '<marker id="cb-double" viewBox="0 0 17 8" refX="16.5" refY="4" markerWidth="17" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="head empties" d="M0 0 9 4 0 8zM8 0 17 4 8 8z"/></marker>'
)
HEAD_OF = {"takes": "cb-arrow", "gives": "cb-arrow", "inhibits": "cb-ring", "empties": "cb-double"}
