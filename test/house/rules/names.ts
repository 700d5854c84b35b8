/** Rules about names. */
import type { Node } from 'typescript/unstable/ast'
import {
  isBindingElement,
  isClassDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isParameterDeclaration,
  isPrivateIdentifier,
  isPropertyDeclaration,
  isTypeAliasDeclaration,
  isVariableDeclaration,
} from 'typescript/unstable/ast'
import { at, visit } from '../sources.ts'
import type { Rule } from './rule.ts'
import { eachSource } from './rule.ts'

const BANNED_WORDS: ReadonlySet<string> = new Set(['manager', 'helper', 'helpers', 'util', 'utils', 'impl'])
/** Words that say nothing when they stand alone. */
const BANNED_ALONE: ReadonlySet<string> = new Set(['data', 'info', 'process'])

/** Words of a name: `FooBar_baz-7` is foo, bar, baz, 7. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[\s_#.-]+/)
    .map(word => word.toLowerCase())
    .filter(word => word !== '')
}

const fileNames: Rule = {
  says: 'files and folders are named in kebab-case',
  check: eachSource((source, report) => {
    const parts = source.path.replace(/(\.test|\.bench|\.config|\.d)?\.ts$/, '').split('/')
    for (const part of parts)
      if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part)) report(`${source.path}:1: '${part}' is not kebab-case`)
  }),
  refuses: [{ 'src/base/Clock.ts': '' }, { 'src/base/system_clock.ts': '' }, { 'src/codecRoom/a.ts': '' }],
  accepts: [{ 'test/base/system-clock.test.ts': '', 'src/codec/crc.ts': '' }],
}

const emptyWords: Rule = {
  says: 'no name has a word that says nothing: Manager, Helper, Util, Impl; no data, info, process alone; no class Base',
  check: eachSource((source, report) => {
    const fileWords = wordsOf(source.path.replace(/\.ts$/, '').replaceAll('/', '-'))
    for (const word of fileWords) if (BANNED_WORDS.has(word)) report(`${source.path}:1: '${word}' in a file name`)
    visit(source.tree, node => {
      const name = declaredName(node)
      if (name === undefined) return
      const words = wordsOf(name)
      const isBase = words.length > 1 && words.includes('base') && isType(node)
      const isAlone = words.length === 1 && BANNED_ALONE.has(words[0] as string) && !isMember(node)
      if (isBase || isAlone || words.some(word => BANNED_WORDS.has(word))) report(at(source, node, `the name ${name}`))
    })
  }),
  refuses: [
    { 'src/base/a.ts': 'export class OffsetManager {}' },
    { 'src/base/a.ts': 'export function parseHelper(): void {}' },
    { 'src/base/a.ts': 'export const bytesUtil = 1' },
    { 'src/base/a.ts': 'export type StoreImpl = { x: 1 }' },
    { 'src/base/a.ts': 'export class StoreBase {}' },
    { 'src/base/a.ts': 'export interface BaseStore {}' },
    { 'src/base/a.ts': 'export const f = (data: number): number => data' },
    { 'src/base/a.ts': 'const { info } = f()\nf(info)' },
    { 'src/base/string-utils.ts': '' },
    { 'src/base/a.ts': 'export class A {\n  #queueManager = 1\n}' },
  ],
  accepts: [
    { 'src/base/a.ts': 'export type Logger = { info(): void }\nexport class A {\n  info(): void {}\n}' },
    { 'src/base/a.ts': 'export const dataVersion = 1\nexport const dataAt = 2\nexport const base = 64' },
  ],
}

function declaredName(node: Node): string | undefined {
  const isDeclaration =
    isVariableDeclaration(node) ||
    isParameterDeclaration(node) ||
    isBindingElement(node) ||
    isMember(node) ||
    isType(node)
  if (!isDeclaration && !isFunctionDeclaration(node)) return undefined
  const name = (node as { readonly name?: Node }).name
  return name !== undefined && (isIdentifier(name) || isPrivateIdentifier(name)) ? name.text : undefined
}

function isMember(node: Node): boolean {
  return isPropertyDeclaration(node) || isMethodDeclaration(node)
}

function isType(node: Node): boolean {
  return isClassDeclaration(node) || isInterfaceDeclaration(node) || isTypeAliasDeclaration(node)
}

const typeNames: Rule = {
  says: 'types are PascalCase and functions camelCase',
  check: eachSource((source, report) =>
    visit(source.tree, node => {
      const name = declaredName(node)
      if (name === undefined) return
      if (isType(node) && !/^[A-Z][A-Za-z0-9]*$/.test(name)) report(at(source, node, `the type ${name}`))
      if (isFunctionDeclaration(node) && !/^[a-z][A-Za-z0-9]*$/.test(name))
        report(at(source, node, `the function ${name}`))
    }),
  ),
  refuses: [
    { 'src/base/a.ts': 'export type foo = 1' },
    { 'src/base/a.ts': 'export function Foo(): void {}' },
    { 'src/base/a.ts': 'class my_class {}' },
  ],
  accepts: [{ 'src/base/a.ts': 'export type Sql92 = 1\nexport function i64At(): void {}' }],
}

/** Rules about names. */
export const NAME_RULES: readonly Rule[] = [fileNames, emptyWords, typeNames]
