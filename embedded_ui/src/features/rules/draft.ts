import { asGroup, group, type GroupKind, type Leaf, type Node, type Rule } from "./rule";

/**
 * The rule while it is edited: the grammar's tree with a number on every node, so that an editor
 * keeps its focus while its siblings come and go. Everything here is pure.
 */
export interface LeafDraft {
  id: number;
  leaf: Leaf;
}
export interface GroupDraft {
  id: number;
  kind: GroupKind;
  nodes: NodeDraft[];
}
export type NodeDraft = LeafDraft | GroupDraft;

export interface Editor {
  root: GroupDraft;
  nextId: number;
  past: GroupDraft[];
  /** What was undone, the next to redo last; any other change forgets it. */
  future: GroupDraft[];
  /** What the last change was about: typing on in one field is one step of undo. */
  touched: string | null;
}

export type Action =
  | { do: "add_leaf"; to: number; leaf: Leaf }
  | { do: "add_group"; to: number; kind: GroupKind; leaves?: Leaf[] }
  | { do: "change_leaf"; id: number; leaf: Leaf; field: string }
  | { do: "set_kind"; id: number; kind: GroupKind }
  | { do: "remove"; id: number }
  | { do: "replace"; rule: Rule }
  | { do: "undo" }
  | { do: "redo" };

const MAX_UNDO = 100;

export function isGroup(node: NodeDraft): node is GroupDraft {
  return "nodes" in node;
}

/** Numbers the nodes of a tree from `from` on. */
function number(node: Node, from: number): { draft: NodeDraft; next: number } {
  const inner = asGroup(node);
  if (inner === null) return { draft: { id: from, leaf: node as Leaf }, next: from + 1 };
  let next = from + 1;
  const nodes = inner.nodes.map((child) => {
    const numbered = number(child, next);
    next = numbered.next;
    return numbered.draft;
  });
  return { draft: { id: from, kind: inner.kind, nodes }, next };
}

function numberRoot(rule: Rule, from: number): { root: GroupDraft; next: number } {
  // A rule may be one bare leaf; the editor always shows a group around it.
  const match = asGroup(rule.match) === null ? group("all", [rule.match]) : rule.match;
  const { draft, next } = number(match, from);
  return { root: draft as GroupDraft, next };
}

/** An editor that starts with a rule; without one, with an empty group. */
export function start(rule: Rule = { v: 1, match: { all: [] } }): Editor {
  const { root, next } = numberRoot(rule, 1);
  return { root, nextId: next, past: [], future: [], touched: null };
}

function toNode(draft: NodeDraft): Node {
  return isGroup(draft) ? group(draft.kind, draft.nodes.map(toNode)) : draft.leaf;
}

/** The rule as it is to be saved. */
export function toRule(root: GroupDraft): Rule {
  return { v: 1, match: toNode(root) };
}

/** All leaves with their places in the rule, e.g. match.all[0]: how the app names them. */
export function leafPaths(root: GroupDraft): { path: string; draft: LeafDraft }[] {
  const found: { path: string; draft: LeafDraft }[] = [];
  const walk = (node: NodeDraft, path: string) => {
    if (!isGroup(node)) found.push({ path, draft: node });
    else node.nodes.forEach((child, index) => walk(child, `${path}.${node.kind}[${index}]`));
  };
  walk(root, "match");
  return found;
}

/** Whether a group anywhere holds nothing, which no rule may. */
export function hasEmptyGroup(node: NodeDraft): boolean {
  return isGroup(node) && (node.nodes.length === 0 || node.nodes.some(hasEmptyGroup));
}

/** How many groups stand inside one another. */
export function depth(node: NodeDraft): number {
  return isGroup(node) ? 1 + Math.max(0, ...node.nodes.map(depth)) : 0;
}

function mapNode(node: NodeDraft, id: number, change: (node: NodeDraft) => NodeDraft): NodeDraft {
  if (node.id === id) return change(node);
  if (!isGroup(node)) return node;
  return { ...node, nodes: node.nodes.map((child) => mapNode(child, id, change)) };
}

function without(node: GroupDraft, id: number): GroupDraft {
  const nodes = node.nodes
    .filter((child) => child.id !== id)
    .map((child) => (isGroup(child) ? without(child, id) : child));
  return { ...node, nodes };
}

function append(root: GroupDraft, to: number, child: NodeDraft): GroupDraft {
  return mapNode(root, to, (node) =>
    isGroup(node) ? { ...node, nodes: [...node.nodes, child] } : node,
  ) as GroupDraft;
}

function commit(editor: Editor, root: GroupDraft, nextId: number, touched: string | null = null): Editor {
  const typingOn = touched !== null && touched === editor.touched;
  const past = typingOn ? editor.past : [...editor.past, editor.root].slice(-MAX_UNDO);
  return { root, nextId, past, future: [], touched };
}

/** One edit. Unknown ids change nothing. */
export function edit(editor: Editor, action: Action): Editor {
  const { root, nextId } = editor;
  switch (action.do) {
    case "add_leaf":
      return commit(editor, append(root, action.to, { id: nextId, leaf: action.leaf }), nextId + 1);
    case "add_group": {
      const nodes = (action.leaves ?? []).map((leaf, index) => ({ id: nextId + 1 + index, leaf }));
      const made = { id: nextId, kind: action.kind, nodes };
      return commit(editor, append(root, action.to, made), nextId + 1 + nodes.length);
    }
    case "change_leaf": {
      const next = mapNode(root, action.id, (node) => (isGroup(node) ? node : { ...node, leaf: action.leaf }));
      return commit(editor, next as GroupDraft, nextId, `${action.id}:${action.field}`);
    }
    case "set_kind": {
      const next = mapNode(root, action.id, (node) => (isGroup(node) ? { ...node, kind: action.kind } : node));
      return commit(editor, next as GroupDraft, nextId);
    }
    case "remove":
      return action.id === root.id ? editor : commit(editor, without(root, action.id), nextId);
    case "replace": {
      const replaced = numberRoot(action.rule, nextId);
      return commit(editor, replaced.root, replaced.next);
    }
    case "undo": {
      const before = editor.past.at(-1);
      if (before === undefined) return editor;
      const future = [...editor.future, root];
      return { ...editor, root: before, past: editor.past.slice(0, -1), future, touched: null };
    }
    case "redo": {
      const after = editor.future.at(-1);
      if (after === undefined) return editor;
      const past = [...editor.past, root];
      return { ...editor, root: after, past, future: editor.future.slice(0, -1), touched: null };
    }
  }
}
