/** Source files as syntax trees, parsed by TypeScript itself: what the house rules look at. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Node, SourceFile } from 'typescript/unstable/ast'
import {
  isCallExpression,
  isExportDeclaration,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isStringLiteral,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { createVirtualFileSystem } from 'typescript/unstable/fs'
import { API } from 'typescript/unstable/sync'

/** The repository's root folder. */
export const REPOSITORY: string = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** One import, `export … from`, or `import()`, of values or of types alone. */
export type Import = {
  readonly specifier: string
  /** Path of the imported file from the repository's root; undefined for a package or a Node module. */
  readonly target: string | undefined
  readonly node: Node
  readonly isReExport: boolean
}

/** A parsed source file. */
export type Source = {
  /** From the repository's root, with `/`. */
  readonly path: string
  readonly text: string
  readonly lineCount: number
  readonly tree: SourceFile
  readonly imports: readonly Import[]
}

/** Where a rule is broken, as it is shown: `path:line: what`. */
export type Finding = string

/** Every file of the given folders of the repository that ends in `.ts`, as path and text. */
export function readSources(folders: readonly string[]): Map<string, string> {
  const files = new Map<string, string>()
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!['node_modules', 'target', 'peers', 'dist'].includes(entry.name)) walk(path)
      } else if (entry.name.endsWith('.ts')) {
        files.set(relative(REPOSITORY, path).replaceAll('\\', '/'), readFileSync(path, 'utf8'))
      }
    }
  }
  for (const folder of folders) walk(join(REPOSITORY, folder))
  return files
}

/** Parses each set of files in one go; the sets do not see one another. */
export function parseSets(sets: readonly ReadonlyMap<string, string>[]): Source[][] {
  const files: Record<string, string> = {
    '/house/tsconfig.json': JSON.stringify({
      compilerOptions: { noLib: true, noResolve: true, types: [], allowImportingTsExtensions: true, noEmit: true },
      include: ['**/*.ts'],
    }),
  }
  for (const [i, set] of sets.entries()) for (const [path, text] of set) files[`/house/${i}/${path}`] = text
  const api = new API({ cwd: '/house', fs: createVirtualFileSystem(files) })
  try {
    const project = api.updateSnapshot({ openProject: '/house/tsconfig.json' }).getProjects()[0]
    if (project === undefined) throw new Error('TypeScript opened no project')
    return sets.map((set, i) =>
      [...set].map(([path, text]) => {
        const tree = project.program.getSourceFile(`/house/${i}/${path}`)
        if (tree === undefined) throw new Error(`TypeScript did not parse ${path}`)
        return { path, text, lineCount: text.trimEnd().split('\n').length, tree, imports: importsOf(tree, path) }
      }),
    )
  } finally {
    api.close()
  }
}

/** Visits a tree, parents first. */
export function visit(node: Node, see: (node: Node) => void): void {
  see(node)
  node.forEachChild(child => visit(child, see))
}

/** The 1-based line a node starts on. */
export function lineOf(source: Source, node: Node): number {
  return source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line + 1
}

/** The 1-based line a node ends on. */
export function lastLineOf(source: Source, node: Node): number {
  return source.tree.getLineAndCharacterOfPosition(node.end).line + 1
}

/** A finding at a node. */
export function at(source: Source, node: Node, what: string): Finding {
  return `${source.path}:${lineOf(source, node)}: ${what}`
}

/** The text of a node without the comments before it. */
export function textOf(source: Source, node: Node): string {
  return source.text.slice(node.getStart(source.tree), node.end)
}

/** The room a file of src/ is in: `base`, `codec`, …; `index` for src/index.ts; undefined outside src/. */
export function roomOf(path: string): string | undefined {
  if (path === 'src/index.ts') return 'index'
  const parts = path.split('/')
  return parts[0] === 'src' && parts.length > 2 ? parts[1] : undefined
}

function importsOf(tree: SourceFile, path: string): Import[] {
  const imports: Import[] = []
  const add = (specifier: Node | undefined, node: Node, isReExport: boolean): void => {
    if (specifier === undefined || !isStringLiteral(specifier)) return
    const text = specifier.text
    const target = text.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), text)) : undefined
    imports.push({ specifier: text, target, node, isReExport })
  }
  visit(tree, node => {
    if (isImportDeclaration(node)) add(node.moduleSpecifier, node, false)
    else if (isExportDeclaration(node)) add(node.moduleSpecifier, node, true)
    else if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) add(node.argument.literal, node, false)
    else if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword)
      add(node.arguments[0], node, false)
  })
  return imports
}
