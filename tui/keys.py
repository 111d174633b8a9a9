"""Every key in one place: what it does where, by which name the user can give it another key."""

from collections.abc import Iterable, Mapping

from textual.binding import Binding

from inspect_core.text import clean

ZOOM = 2.0
"""How much closer one press of a key goes."""

NAMES = {
    "slash": "/", "question_mark": "?", "escape": "esc", "plus": "+", "minus": "-",
    "equals_sign": "=", "less_than_sign": "<", "greater_than_sign": ">",
    "left_square_bracket": "[", "right_square_bracket": "]", "pageup": "page up",
    "pagedown": "page down",
}  # fmt: skip
"""How keys are called on the screen, where not as Textual calls them."""

_Row = tuple[str, str, str, str, str]


def _bindings(place: str, rows: Iterable[_Row]) -> list[Binding]:
    """Bindings of rows `(name, keys, action, short text or "", what it does)`.

    Those with a short text are on the line of keys; that of the screen may not move focus away.
    """
    return [
        Binding(
            keys,
            action,
            short or about,
            id=f"{place}.{name}",
            show=bool(short),
            key_display=NAMES.get(keys.split(",")[0]),
            tooltip=about,
            priority=name == "pane",
        )
        for name, keys, action, short, about in rows
    ]


TREE = _bindings("tree", [
    ("choose", "enter", "choose", "inspect", "look at it, and read its values"),
    ("toggle", "space", "fold", "fold", "show or hide what is below"),
    ("members", "o", "open_fold", "members", "open a fold to its members, or close it"),
    ("up", "up,k", "move(-1)", "", "up"),
    ("down", "down,j", "move(1)", "", "down"),
    ("page_up", "pageup,ctrl+b", "page(-1)", "", "page up"),
    ("page_down", "pagedown,ctrl+f", "page(1)", "", "page down"),
    ("top", "home,g", "edge(-1)", "", "to the top"),
    ("bottom", "end,G", "edge(1)", "", "to the bottom"),
    ("collapse", "left,h", "collapse", "", "hide what is below, or go up"),
    ("expand", "right,l", "expand", "", "show what is below, or go into it"),
])  # fmt: skip
"""Keys of the tree."""

PICTURE = _bindings("detail", [
    ("choose", "enter", "choose", "closer", "to the tensor of a cell; into a matrix"),
    ("zoom_in", "plus,equals_sign", f"zoom({ZOOM})", "zoom", "closer to the cursor"),
    ("zoom_out", "minus", f"zoom({1 / ZOOM})", "out", "farther away"),
    ("zoom_all", "0", "zoom(0)", "", "the whole matrix"),
    ("peak", "x", "peak", "largest", "the largest cell"),
    ("up", "up,k", "move(-1, 0)", "", "cell above"),
    ("down", "down,j", "move(1, 0)", "", "cell below"),
    ("left", "left,h", "move(0, -1)", "", "cell to the left"),
    ("right", "right,l", "move(0, 1)", "", "cell to the right"),
    ("first", "home", "edge(-1)", "", "first column"),
    ("last", "end", "edge(1)", "", "last column"),
    ("pan_up", "K,shift+up", "pan(-1, 0)", "", "the part above"),
    ("pan_down", "J,shift+down", "pan(1, 0)", "", "the part below"),
    ("pan_left", "H,shift+left", "pan(0, -1)", "", "the part to the left"),
    ("pan_right", "L,shift+right", "pan(0, 1)", "", "the part to the right"),
    ("back", "escape", "screen.back", "tree", "back to the tree"),
])  # fmt: skip
"""Keys of the picture beside the tree, when it has the focus."""

SCREEN = _bindings("screen", [
    ("filter", "slash", "filter", "filter", "keep names that hold all words; esc ends it"),
    ("next_match", "n", "app.next_match(1)", "", "next match of the filter"),
    ("match_before", "N", "app.next_match(-1)", "", "match before"),
    ("aspect", "v", "app.next_aspect", "view", "the map, singular values, what moved"),
    ("metric", "m", "app.next_metric", "metric", "show the next metric"),
    ("metrics", "M", "app.choose_metric", "", "choose one of all metrics"),
    ("scale", "c", "app.next_scale", "", "colours: robust, linear or log scale"),
    ("reference", "r", "app.ask_reference", "reference", "compare with another checkpoint"),
    ("plan", "p", "app.plan_mode", "plan", "plan mode: freeze, place adapters, or leave it"),
    ("activations", "i", "app.activations", "activations", "what neurons listen to, and did"),
    ("last_activations", "I", "app.last_activations", "", "the activations that were shown last"),
    ("geometry", "d", "app.geometry", "landscape", "dimension, clusters, overlaps of layers"),
    ("last_geometry", "D", "app.last_geometry", "", "the landscape that was shown last"),
    ("sort", "s", "app.sort", "sort", "siblings by how much they changed, or not"),
    ("common", "S", "app.common_names", "", "names common to all architectures, or the own"),
    ("step_back", "less_than_sign", "app.step(-1)", "", "back to the node before"),
    ("step_on", "greater_than_sign", "app.step(1)", "", "on again"),
    ("next_slice", "right_square_bracket", "app.next_slice(1)", "", "next slice of a 3-D weight"),
    ("previous_slice", "left_square_bracket", "app.next_slice(-1)", "", "slice before"),
    ("pane", "tab", "other_pane", "", "the other pane"),
    ("back", "escape", "back", "", "leave the filter, back to the tree"),
    ("copy", "y", "app.copy", "", "copy the name, or what the cell says"),
    ("export", "e", "app.export", "export", "write screen, numbers or the plan to a file"),
    ("theme", "t", "app.next_theme", "", "next theme"),
    ("reload", "R", "app.reload", "", "open model and reference again"),
    ("bare", "b", "app.bare_modules", "", "modules without parameters, or not"),
    ("warnings", "w", "app.show_warnings", "", "warnings"),
    ("help", "question_mark", "app.help", "help", "this page"),
    ("quit", "q", "app.quit", "quit", "leave"),
])  # fmt: skip
"""Keys that do the same wherever the focus is."""

PLAN = _bindings("plan", [
    ("freeze", "f", "app.plan_freeze", "freeze", "freeze what the cursor is on, or thaw it"),
    ("place", "a", "app.plan_place", "place", "an adapter on what the cursor is on, or off it"),
    ("by_name", "F", "app.plan_by_name", "by name", "freeze or thaw by a pattern of names"),
    ("settings", "A", "app.plan_settings", "settings", "of the placement and of the memory"),
    ("undo", "u", "app.plan_undo", "undo", "take back the last change of the plan"),
    ("redo", "U", "app.plan_redo", "redo", "do it again"),
])  # fmt: skip
"""Keys of plan mode, wherever the focus is."""

ACTIVATIONS = _bindings("activations", [
    ("choose", "enter", "choose", "look", "the page of a neuron; the neurons of a module"),
    ("next_view", "v", "next_view(1)", "view", "the next view"),
    ("view_before", "V", "next_view(-1)", "", "the view before"),
    ("overview", "1", "view('overview')", "", "distance against length"),
    ("table", "2", "view('table')", "", "the table of neurons alone"),
    ("lengths", "3", "view('lengths')", "", "words by neuron, before and after"),
    ("mass", "4", "view('mass')", "", "activation mass of each neuron"),
    ("tags", "5", "view('tags')", "", "tags, labels: how frequent, how much mass"),
    ("layers", "6", "view('layers')", "", "by module: where knowledge moved"),
    ("site_before", "left_square_bracket,left", "site(-1)", "", "the module before"),
    ("next_site", "right_square_bracket,right", "site(1)", "module", "the next module"),
    ("sort", "s", "order", "sort", "neurons in another order"),
    ("rare", "h", "rare", "rare", "hide what is rarely activated, or not"),
    ("find", "slash", "find", "find", "a neuron by number, or those with a word"),
    ("settings", "A", "settings", "texts", "other texts, or another rule"),
    ("stop", "x", "stop", "stop", "stop what runs"),
    ("up", "up,k", "move(-1)", "", "up"),
    ("down", "down,j", "move(1)", "", "down"),
    ("page_up", "pageup,ctrl+b", "page(-1)", "", "page up"),
    ("page_down", "pagedown,ctrl+f", "page(1)", "", "page down"),
    ("top", "home,g", "edge(-1)", "", "to the top"),
    ("bottom", "end,G", "edge(1)", "", "to the bottom"),
    ("copy", "y", "copy", "", "copy the neuron and its strongest words"),
    ("export", "e", "export", "export", "write the table or the screen to a file"),
    ("back", "escape", "back", "tree", "back; what runs goes on"),
])  # fmt: skip
"""Keys of the screen of activations; those of theme, help and leaving are as elsewhere."""

GEOMETRY = _bindings("geometry", [
    ("choose", "enter,g", "choose", "layer", "the page of a layer: clusters, texts, plane"),
    ("next_view", "v", "next_view(1)", "view", "the next view"),
    ("view_before", "V", "next_view(-1)", "", "the view before"),
    ("curves", "1", "view('curves')", "", "a measure along the layers"),
    ("overlap", "2", "view('overlap')", "", "neighbours that layers share"),
    ("cka", "3", "view('cka')", "", "linear CKA of layers"),
    ("table", "4", "view('table')", "", "all numbers"),
    ("next_measure", "m", "measure(1)", "measure", "the next measure"),
    ("measure_before", "M", "measure(-1)", "", "the measure before"),
    ("column_before", "left_square_bracket", "column(-1)", "", "label column or pair before"),
    ("next_column", "right_square_bracket", "column(1)", "labels, pair",
     "next label column; beside a matrix the pair"),
    ("left", "left,h", "across(-1)", "", "the layer before"),
    ("right", "right,l", "across(1)", "", "the next layer"),
    ("up", "up,k", "move(-1)", "", "another model; a row of matrix, table or page"),
    ("down", "down,j", "move(1)", "", "the same, downwards"),
    ("page_up", "pageup,ctrl+b", "page(-1)", "", "page up"),
    ("page_down", "pagedown,ctrl+f", "page(1)", "", "page down"),
    ("first", "home", "edge(-1)", "", "the first layer, the top"),
    ("last", "end,G", "edge(1)", "", "the last layer, the bottom"),
    ("color", "c", "color", "colours", "on a layer's page: colours by label, or not"),
    ("jump", "o", "jump", "tree", "to this layer in the tree"),
    # Before what a narrow line leaves out.
    ("back", "escape", "back", "back", "back; what runs goes on"),
    ("settings", "A", "settings", "texts", "other texts, places or measures"),
    ("stop", "x", "stop", "stop", "stop what runs"),
    ("earlier", "D", "earlier", "", "what was found before a run that was stopped"),
    ("copy", "y", "copy", "", "copy the numbers of the layer"),
    ("export", "e", "export", "export", "write the numbers, curves or the screen"),
])  # fmt: skip
"""Keys of the screen of the landscape, and of the page of a layer."""

ELSEWHERE = [one for one in SCREEN if one.id in ("screen.theme", "screen.help", "screen.quit")]
"""Keys of the main screen that do the same on others."""

PLAN_KEYS = frozenset({key for binding in PLAN for key in binding.key.split(",")})

APP = [
    Binding("ctrl+c", "quit", "leave", id="app.quit", show=False, priority=True),
    Binding("ctrl+l", "redraw", "draw the whole screen again", id="app.redraw", show=False),
]
"""Keys of the app itself; ctrl+p is Textual's own."""

OWN_SCREENS = frozenset({"activations", "geometry"})
"""Places that are screens of their own: their keys meet no others."""

PLACES = (
    ("In the tree", TREE), ("In the picture", PICTURE), ("In plan mode", PLAN),
    ("In the activations", ACTIVATIONS), ("In the landscape", GEOMETRY),
    ("Anywhere", [*SCREEN, *APP]),
)  # fmt: skip

_KEYS = {str(binding.id): binding.key for _, bindings in PLACES for binding in bindings}

IDS = frozenset(_KEYS)
"""The names of all bindings."""


def complaints(own: Mapping[str, str]) -> list[str]:
    """What is wrong with keys that the user gave, safe to show.

    Args:
        own: keys, by the name of their binding.
    """
    found = [f"keys: {clean(name, 40)} is no binding's name" for name in own if name not in IDS]
    for name in own.keys() & IDS:
        for other in IDS - {name}:
            places = {name.split(".")[0], other.split(".")[0]}
            both = _keys_of(name, own) & _keys_of(other, own)
            if both and _meet(places) and (other not in own or name < other):
                keys = " ".join(sorted(both))
                found.append(f"keys: {clean(keys)} is now for {name}, and not for {other}")
    return sorted(found)


def _meet(places: set[str]) -> bool:
    """Whether keys of these places can be pressed at one moment."""
    own_screen = bool(places & OWN_SCREENS) and len(places) > 1
    return places != {"tree", "detail"} and not own_screen


def _keys_of(name: str, own: Mapping[str, str]) -> set[str]:
    return {key.strip() for key in own.get(name, _KEYS[name]).split(",")}


def shown_keys(keys: str) -> str:
    """Keys as they are called on the screen."""
    return " ".join(NAMES.get(key, clean(key)) for key in keys.split(","))


def key_lines(own: Mapping[str, str], first: str = "") -> list[str]:
    """All keys and what they do, a line each.

    Args:
        own: keys that the user gave, by name.
        first: the place whose keys come first, as `plan`; `""` for the usual order.
    """
    lines = []
    for title, bindings in sorted(PLACES, key=lambda place: not _is_of(first, place[1])):
        lines += [title]
        for binding in bindings:
            keys = shown_keys(own.get(str(binding.id), binding.key))
            lines.append(f"  {keys:<17} {binding.tooltip or binding.description}")
        lines.append("")
    return lines


def _is_of(place: str, bindings: Iterable[Binding]) -> bool:
    return bool(place) and all(str(one.id).startswith(f"{place}.") for one in bindings)


def name_lines(own: Mapping[str, str]) -> list[str]:
    """The names of all bindings with their keys, as the settings have them.

    Args:
        own: keys that the user gave, by name.
    """
    return [f'  "{name}" = "{clean(own.get(name, keys))}"' for name, keys in _KEYS.items()]
