/** Rules about the shape of code: sizes, types, exports, errors and comments. */
import type { Block, Node } from 'typescript/unstable/ast'
import {
  isArrowFunction,
  isAwaitExpression,
  isBlock,
  isCallExpression,
  isCatchClause,
  isClassDeclaration,
  isConstructorDeclaration,
  isExportAssignment,
  isExpressionStatement,
  isFunctionDeclaration,
  isFunctionExpression,
  isGetAccessorDeclaration,
  isIdentifier,
  isMethodDeclaration,
  isPropertyAccessExpression,
  isSetAccessorDeclaration,
  isVariableStatement,
  isVoidExpression,
  NodeFlags,
  SyntaxKind,
} from 'typescript/unstable/ast'
import type { Source } from '../sources.ts'
import { at, lastLineOf, lineOf, textOf, visit } from '../sources.ts'
import type { Rule } from './rule.ts'
import { eachSource } from './rule.ts'

const FILE_LINES_MAX = 500
const FUNCTION_LINES_MAX = 70

/** Calls whose callback is a list of tests rather than a function. */
const TEST_LISTS = /^describe\b/

const lines = (count: number, line: string): string => `${line}\n`.repeat(count)

const fileSize: Rule = {
  says: `no file is longer than ${FILE_LINES_MAX} lines`,
  check: eachSource((source, report) => {
    if (source.lineCount > FILE_LINES_MAX) report(`${source.path}:1: ${source.lineCount} lines`)
  }),
  refuses: [{ 'src/base/a.ts': lines(FILE_LINES_MAX + 1, '// x') }, { 'test/base/a.test.ts': lines(501, '// x') }],
  accepts: [{ 'src/base/a.ts': lines(FILE_LINES_MAX, '// x') }],
}

const functionSize: Rule = {
  says: `no function is longer than ${FUNCTION_LINES_MAX} lines`,
  check: eachSource((source, report) =>
    visit(source.tree, node => {
      if (!isFunction(node) || isTestList(source, node)) return
      const length = lastLineOf(source, node) - lineOf(source, node) + 1
      if (length > FUNCTION_LINES_MAX) report(at(source, node, `a function of ${length} lines`))
    }),
  ),
  refuses: [
    { 'src/base/a.ts': `export function f(): void {\n${lines(69, '  f()')}}` },
    { 'src/base/a.ts': `export const f = () => {\n${lines(69, '  f()')}}` },
    { 'src/base/a.ts': `export class A {\n  b(): void {\n${lines(69, '    f()')}  }\n}` },
  ],
  accepts: [
    { 'src/base/a.ts': `export function f(): void {\n${lines(68, '  f()')}}` },
    { 'src/base/a.ts': `export const table = [\n${lines(100, '  1,')}]` },
    { 'test/base/a.test.ts': `describe('a', () => {\n${lines(100, "  it('b', () => {})")}})` },
  ],
}

function isFunction(node: Node): boolean {
  const isMember = isMethodDeclaration(node) || isGetAccessorDeclaration(node) || isSetAccessorDeclaration(node)
  const isFree = isFunctionDeclaration(node) || isFunctionExpression(node) || isArrowFunction(node)
  return isMember || isFree || isConstructorDeclaration(node)
}

function isTestList(source: Source, node: Node): boolean {
  return isCallExpression(node.parent) && TEST_LISTS.test(textOf(source, node.parent.expression))
}

const noAny: Rule = {
  says: 'nothing is of type any, and no error of the compiler is silenced',
  check: eachSource((source, report) => {
    visit(source.tree, node => {
      if (node.kind === SyntaxKind.AnyKeyword) report(at(source, node, 'any'))
    })
    for (const [i, line] of source.text.split('\n').entries()) {
      if (/^\s*(\/\/|\/?\*)\s*@ts-(ignore|nocheck|expect-error)/.test(line))
        report(`${source.path}:${i + 1}: ${line.trim()}`)
    }
  }),
  refuses: [
    { 'src/base/a.ts': 'export const a = (x: any): void => x()' },
    { 'src/base/a.ts': 'export type A = Record<string, any>' },
    { 'src/base/a.ts': '// @ts-ignore because\nexport const a = b' },
    { 'src/base/a.ts': '/* x */\n  // @ts-expect-error why\nexport const a = b' },
  ],
  accepts: [{ 'src/base/a.ts': 'export const any = (x: unknown): void => console.log(x)' }],
}

const exportsByName: Rule = {
  says: 'exports have names and do not change: no default export, no exported let or var',
  check: eachSource((source, report) => {
    if (source.path === 'test/vitest.config.ts') return
    for (const statement of source.tree.statements) {
      if (isExportAssignment(statement)) report(at(source, statement, 'a default export'))
      if (isFunctionDeclaration(statement) || isClassDeclaration(statement)) {
        const isDefault = statement.modifiers?.some(modifier => modifier.kind === SyntaxKind.DefaultKeyword)
        if (isDefault) report(at(source, statement, 'a default export'))
      }
      if (
        isVariableStatement(statement) &&
        statement.modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword)
      ) {
        const isConst = (statement.declarationList.flags & NodeFlags.Const) !== 0
        if (!isConst) report(at(source, statement, 'an exported variable that can change'))
      }
    }
  }),
  refuses: [
    { 'src/base/a.ts': 'export default 1' },
    { 'src/base/a.ts': 'export default function f(): void {}' },
    { 'src/base/a.ts': 'export default class A {}' },
    { 'src/base/a.ts': 'export let a = 1' },
  ],
  accepts: [{ 'src/base/a.ts': 'export const a = 1\nlet b = a\nexport const c = (): number => b++' }],
}

const hashPrivate: Rule = {
  says: "private is '#': no private, protected or public, but for a constructor",
  check: eachSource((source, report) => {
    const words = [SyntaxKind.PrivateKeyword, SyntaxKind.ProtectedKeyword, SyntaxKind.PublicKeyword]
    visit(source.tree, node => {
      if (words.includes(node.kind) && !isConstructorDeclaration(node.parent))
        report(at(source, node, textOf(source, node)))
    })
  }),
  refuses: [
    { 'src/base/a.ts': 'export class A {\n  private x = 1\n}' },
    { 'src/base/a.ts': 'export class A {\n  public x(): void {}\n}' },
  ],
  accepts: [
    { 'src/base/a.ts': 'export class A {\n  #private = 1\n  get b(): number {\n    return this.#private\n  }\n}' },
  ],
}

const catches: Rule = {
  says: 'no error is swallowed: a catch does something, and more than logging',
  check: eachSource((source, report) =>
    visit(source.tree, node => {
      if (isCatchClause(node)) {
        if (swallows(source, node.block)) report(at(source, node, 'this catch swallows the error'))
      } else if (isCallExpression(node) && isPropertyAccessExpression(node.expression)) {
        const handler = rejectionHandler(node.expression.name.text, node.arguments)
        if (handler === undefined || !(isArrowFunction(handler) || isFunctionExpression(handler))) return
        const { body } = handler
        const isNothing = !isBlock(body) && /^(undefined|null|void 0)$/.test(textOf(source, body))
        const isEmpty = isBlock(body) ? swallows(source, body) : isNothing && isUnused(node)
        if (isEmpty && source.path.startsWith('src/')) report(at(source, handler, 'this handler swallows the error'))
      }
    }),
  ),
  refuses: [
    { 'src/base/a.ts': 'try {\n  f()\n} catch {}' },
    { 'test/base/a.ts': 'try {\n  f()\n} catch {\n  // never mind\n}' },
    { 'src/base/a.ts': 'try {\n  f()\n} catch (error) {\n  console.error(error)\n}' },
    { 'src/base/a.ts': "try {\n  f()\n} catch (error) {\n  this.logger.warn({ error }, 'x')\n}" },
    { 'src/base/a.ts': 'await f().catch(() => {})' },
    { 'src/base/a.ts': 'await f().catch(() => undefined)' },
    { 'src/base/a.ts': 'await f().then(g, () => {})' },
  ],
  accepts: [
    { 'src/base/a.ts': 'export const f = () => {\n  try {\n    g()\n  } catch {\n    return undefined\n  }\n}' },
    { 'src/base/a.ts': 'await f().catch(error => fail(error))' },
    { 'src/base/a.ts': 'export const f = async () => await g().catch(() => undefined)' },
  ],
}

/** Whether a call's result goes nowhere: `f()`, `await f()`, `void f()`. */
function isUnused(call: Node): boolean {
  const { parent } = call
  return isExpressionStatement(parent) || ((isAwaitExpression(parent) || isVoidExpression(parent)) && isUnused(parent))
}

function rejectionHandler(method: string, given: readonly Node[]): Node | undefined {
  if (method === 'catch') return given[0]
  return method === 'then' ? given[1] : undefined
}

/** Whether a block does nothing at all, or nothing but log. */
function swallows(source: Source, block: Block): boolean {
  return block.statements.every(statement => {
    if (!isExpressionStatement(statement) || !isCallExpression(statement.expression)) return false
    return /^(console|([\w.#]*\.)?#?logger)\.(debug|info|log|warn|error)$/.test(
      textOf(source, statement.expression.expression),
    )
  })
}

const headers: Rule = {
  says: 'a file of src/ begins with a comment that says what lives there',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('src/')) return
    if (!/^(#!.*\n)?\/\*\*[\s*]*[^\s*/]/.test(source.text)) report(`${source.path}:1: no header`)
  }),
  refuses: [{ 'src/base/a.ts': 'export const a = 1' }, { 'src/base/a.ts': '/** */\nexport const a = 1' }],
  accepts: [{ 'src/surfaces/cli/main.ts': '#!/usr/bin/env node\n/** The command line. */\nexport const a = 1' }],
}

const todos: Rule = {
  says: 'a TODO names its issue',
  check: eachSource((source, report) => {
    for (const [i, line] of source.text.split('\n').entries()) {
      if (/(\/\/|^\s*\/?\*).*\b(TODO|FIXME|HACK)\b(?!\s*\(?#\d+)/.test(line))
        report(`${source.path}:${i + 1}: ${line.trim()}`)
    }
  }),
  refuses: [{ 'src/base/a.ts': `// ${'TO'}DO: later` }, { 'test/a.ts': `f() // ${'FIX'}ME` }],
  accepts: [{ 'src/base/a.ts': '// TODO (#12): later\n// SCHEDULE_TOPIC_XXXX' }],
}

const quietEngine: Rule = {
  says: 'only the command line prints or ends the process; the engine has a logger',
  check: eachSource((source, report) => {
    const isSpeaker = source.path.startsWith('src/surfaces/') || source.path === 'src/base/logger.ts'
    if (!source.path.startsWith('src/') || isSpeaker) return
    visit(source.tree, node => {
      if (!isPropertyAccessExpression(node)) return
      const text = textOf(source, node)
      const isConsole = isIdentifier(node.expression) && node.expression.text === 'console'
      if (isConsole || /^process\.(exit|exitCode|stdout|stderr|abort)$/.test(text)) report(at(source, node, text))
    })
  }),
  refuses: [{ 'src/store/a.ts': "console.log('x')" }, { 'src/store/a.ts': 'process.exit(1)' }],
  accepts: [{ 'src/surfaces/cli/a.ts': 'process.exitCode = 1' }],
}

/** Rules about the shape of code. */
export const SHAPE_RULES: readonly Rule[] = [
  fileSize,
  functionSize,
  noAny,
  exportsByName,
  hashPrivate,
  catches,
  headers,
  todos,
  quietEngine,
]
