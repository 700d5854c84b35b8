/** The names of a simulated disk: one tree of folders, live and durable, and the images that cuts and kills take of it. */
import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { ioError } from '../files/io-error.ts'
import type { DiskOperation } from './fault-rules.ts'
import { errnoError } from './fault-rules.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { NameChange } from './simulated-nodes.ts'
import { applyChange, FileNode, FolderNode, PendingNames } from './simulated-nodes.ts'

type AnyNode = FileNode | FolderNode

/** How much of the unflushed a cut keeps: first of the names, then of each file. */
const NAME_STYLES = ['none', 'all', 'first', 'any'] as const

/** The tree of a disk. */
export class SimulatedTree {
  readonly root: FolderNode
  readonly pending: PendingNames = new PendingNames()

  constructor(root: FolderNode) {
    this.root = root
  }

  /** What has this path, live. */
  find(path: string): AnyNode | undefined {
    let node: AnyNode | undefined = this.root
    for (const name of namesOf(path)) {
      if (!(node instanceof FolderNode)) return undefined
      node = node.live.get(name)
    }
    return node
  }

  file(path: string, operation: DiskOperation): FileNode {
    const node = this.find(path)
    if (node instanceof FileNode) return node
    throw failed(node === undefined ? 'ENOENT' : 'EISDIR', operation, path)
  }

  folder(path: string, operation: DiskOperation): FolderNode {
    const node = this.find(path)
    if (node instanceof FolderNode) return node
    throw failed(node === undefined ? 'ENOENT' : 'ENOTDIR', operation, path)
  }

  /** The folder a path is in, and its name there. */
  place(path: string, operation: DiskOperation): { folder: FolderNode; name: string } {
    return { folder: this.folder(dirname(path), operation), name: basename(path) }
  }

  /** Changes names in the live state; durable when the folder is flushed. */
  change(folder: FolderNode, entries: NameChange['entries'], nowMs: number, needs?: NameChange): NameChange {
    const change: NameChange = needs === undefined ? { folder, entries } : { folder, entries, needs }
    applyChange(folder.live, change)
    folder.modifiedMs = nowMs
    this.pending.add(change)
    return change
  }

  /** Moves a name; within one folder that is one change, else the removal depends on the new name. */
  rename(from: string, to: string, nowMs: number): void {
    const source = this.place(from, 'rename')
    const target = this.place(to, 'rename')
    const node = source.folder.live.get(source.name)
    if (node === undefined) throw failed('ENOENT', 'rename', from)
    const replaced = target.folder.live.get(target.name)
    if (replaced === node) return
    if (replaced instanceof FolderNode && (node instanceof FileNode || replaced.live.size > 0)) {
      throw failed(node instanceof FileNode ? 'EISDIR' : 'ENOTEMPTY', 'rename', to)
    }
    if (source.folder === target.folder) {
      const entries = [[source.name, undefined] as const, [target.name, node] as const]
      this.change(source.folder, entries, nowMs)
      return
    }
    const arrival = this.change(target.folder, [[target.name, node]], nowMs)
    this.change(source.folder, [[source.name, undefined]], nowMs, arrival)
  }

  /** The tree after a power cut, with nothing pending. */
  cut(random: SeededRandom): SimulatedTree {
    const style = NAME_STYLES[random.below(NAME_STYLES.length)] ?? 'any'
    const kept = this.pending.cut(random, style)
    const byFolder = new Map<FolderNode, NameChange[]>()
    for (const change of kept) byFolder.set(change.folder, [...(byFolder.get(change.folder) ?? []), change])
    const wholeStyle = random.below(4)
    const copies = new Map<AnyNode, AnyNode>()
    const copyOf = (node: AnyNode): AnyNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      if (node instanceof FileNode) {
        const copy = cutFile(node, random, wholeStyle)
        copies.set(node, copy)
        return copy
      }
      const copy = new FolderNode(node.modifiedMs)
      copies.set(node, copy)
      const names = new Map(node.durable)
      for (const change of byFolder.get(node) ?? []) applyChange(names, change)
      for (const [name, child] of names) addChild(copy, name, copyOf(child), 'both')
      return copy
    }
    return new SimulatedTree(copyOf(this.root) as FolderNode)
  }

  /** The tree as another process would find it now: live and durable, and all that is pending. */
  copy(): SimulatedTree {
    const copies = new Map<AnyNode, AnyNode>()
    const copyOf = (node: AnyNode): AnyNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      const copy = node instanceof FileNode ? node.copy() : new FolderNode(node.modifiedMs)
      copies.set(node, copy)
      if (node instanceof FileNode || copy instanceof FileNode) return copy
      for (const [name, child] of node.live) addChild(copy, name, copyOf(child), 'live')
      for (const [name, child] of node.durable) addChild(copy, name, copyOf(child), 'durable')
      return copy
    }
    const tree = new SimulatedTree(copyOf(this.root) as FolderNode)
    const changes = new Map<NameChange, NameChange>()
    for (const change of this.pending.all()) {
      const entries = change.entries.map(([name, node]) => [name, node && copyOf(node)] as const)
      const needs = change.needs && changes.get(change.needs)
      const folder = copyOf(change.folder) as FolderNode
      const copy: NameChange = needs === undefined ? { folder, entries } : { folder, entries, needs }
      changes.set(change, copy)
      tree.pending.add(copy)
    }
    return tree
  }

  /** Equal for trees whose durable names and bytes are equal. */
  digest(): string {
    const hash = createHash('sha1')
    const visit = (folder: FolderNode, path: string): void => {
      for (const name of [...folder.durable.keys()].sort()) {
        const node = folder.durable.get(name) as AnyNode
        const here = join(path, name)
        if (node instanceof FolderNode) {
          hash.update(`${here}/\n`)
          visit(node, here)
        } else {
          hash.update(`${here} ${node.durable.length} ${node.durable.bytes.digest()}\n`)
        }
      }
    }
    visit(this.root, sep)
    return hash.digest('hex')
  }

  /** Every live file with its path, sorted. */
  files(): [path: string, node: FileNode][] {
    const found: [string, FileNode][] = []
    const visit = (folder: FolderNode, path: string): void => {
      for (const [name, node] of folder.live) {
        if (node instanceof FolderNode) visit(node, join(path, name))
        else found.push([join(path, name), node])
      }
    }
    visit(this.root, sep)
    return found.sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

/** The typed error of a call that the state of the tree does not allow. */
export function failed(errno: Parameters<typeof errnoError>[0], operation: DiskOperation, path: string): Error {
  return ioError(errnoError(errno, operation, path), operation, path)
}

/** Each file of a cut fares for itself, unless the cut is one of those that lose or keep everything. */
function cutFile(node: FileNode, random: SeededRandom, wholeStyle: number): FileNode {
  const own = random.below(4)
  const style = wholeStyle < 2 ? wholeStyle : own
  const probability = style < 2 ? style : random.next()
  return new FileNode(node.modifiedMs, node.cut(random, probability))
}

function addChild(folder: FolderNode, name: string, child: AnyNode, state: 'live' | 'durable' | 'both'): void {
  if (state !== 'durable') {
    folder.live.set(name, child)
    if (child instanceof FileNode) child.links++
  }
  if (state !== 'live') folder.durable.set(name, child)
}

/** Paths that were taken apart before, as many as a large store has. */
const NAMES_MAX = 4096
const knownNames = new Map<string, readonly string[]>()

function namesOf(path: string): readonly string[] {
  const known = knownNames.get(path)
  if (known !== undefined) return known
  const names = resolve(path)
    .split(sep)
    .filter(name => name !== '')
  if (knownNames.size >= NAMES_MAX) knownNames.clear()
  knownNames.set(path, names)
  return names
}
