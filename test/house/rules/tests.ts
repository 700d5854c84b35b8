/** Rules about tests: a test that cannot fail is a bug. */
import type { Node } from 'typescript/unstable/ast'
import {
  isAwaitExpression,
  isCallExpression,
  isExpressionStatement,
  isIdentifier,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast'
import { at, textOf, visit } from '../sources.ts'
import type { Rule } from './rule.ts'
import { eachSource } from './rule.ts'

const finished: Rule = {
  says: 'a test asserts: no bare expect(x), no .rejects or .resolves without await, no matcher that is not called',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('test/')) return
    visit(source.tree, node => {
      if (!isExpressionStatement(node)) return
      const { expression } = node
      const isAwaited = isAwaitExpression(expression)
      const inner = isAwaited ? expression.expression : expression
      const chain = chainOf(inner)
      if (chain.root !== 'expect' && chain.root !== 'assert') return
      if (chain.root === 'expect' && chain.names.length === 0) report(at(source, node, 'a bare expect'))
      else if (chain.root === 'expect' && !isCallExpression(inner))
        report(at(source, node, 'a matcher that is not called'))
      const isPromise = chain.names.some(name => name === 'rejects' || name === 'resolves')
      if (isPromise && !isAwaited) report(at(source, node, 'an assertion that nobody awaits'))
    })
  }),
  refuses: [
    { 'test/base/a.test.ts': 'expect(x)' },
    { 'test/base/a.test.ts': 'expect(x).toBeTrue' },
    { 'test/base/a.test.ts': 'expect(f()).rejects.toThrow()' },
    { 'test/base/a.test.ts': 'await expect(f()).resolves' },
    { 'test/base/a.test.ts': 'expect(f()).not.resolves.toBe(1)' },
  ],
  accepts: [
    {
      'test/base/a.test.ts':
        'await expect(f()).rejects.toMatchObject({ code: 1 })\nexpect(x).toBe(1)\nexpect.assertions(2)',
    },
  ],
}

/** The identifier a chain of calls and members starts with, and the names along it: `expect(x).not.toBe(1)` is expect, not, toBe. */
function chainOf(node: Node): { readonly root: string | undefined; readonly names: readonly string[] } {
  const names: string[] = []
  let at = node
  for (;;) {
    if (isCallExpression(at)) at = at.expression
    else if (isPropertyAccessExpression(at)) {
      names.unshift(at.name.text)
      at = at.expression
    } else break
  }
  return { root: isIdentifier(at) ? at.text : undefined, names }
}

const wholeSuite: Rule = {
  says: 'every test runs: no .only, no .todo, no test skipped without a condition, no mocked module',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('test/')) return
    visit(source.tree, node => {
      if (!isCallExpression(node)) return
      const callee = textOf(source, node.expression)
      if (/^(it|test|describe)(\.\w+)*\.(only|todo|skip|fails)\b/.test(callee)) report(at(source, node, callee))
      if (/^(xit|xdescribe|fit|fdescribe)$/.test(callee)) report(at(source, node, callee))
      if (/^(vi|vitest)\.(mock|doMock|hoisted|stubGlobal|useFakeTimers)$/.test(callee)) report(at(source, node, callee))
    })
  }),
  refuses: [
    { 'test/base/a.test.ts': "it.only('x', () => {})" },
    { 'test/base/a.test.ts': "describe.skip('x', () => {})" },
    { 'test/base/a.test.ts': "it.todo('x')" },
    { 'test/base/a.test.ts': "vi.mock('node:fs')" },
  ],
  accepts: [{ 'test/base/a.test.ts': "it.skipIf(x)('y', () => {})\nit.each([1])('z', () => {})" }],
}

const noSleep: Rule = {
  says: 'no test sleeps to let something happen: it awaits the thing, or moves a manual clock',
  check: eachSource((source, report) => {
    if (!/\.test\.ts$/.test(source.path)) return
    for (const { specifier, node } of source.imports)
      if (/^(node:)?timers/.test(specifier)) report(at(source, node, specifier))
    visit(source.tree, node => {
      if (isCallExpression(node) && isIdentifier(node.expression) && node.expression.text === 'setTimeout') {
        report(at(source, node, 'setTimeout'))
      }
    })
  }),
  refuses: [
    { 'test/base/a.test.ts': 'await new Promise(resolve => setTimeout(resolve, 50))' },
    { 'test/base/a.test.ts': "import { setTimeout as sleep } from 'node:timers/promises'\nawait sleep(5)" },
  ],
}

/** Rules about tests. */
export const TEST_RULES: readonly Rule[] = [finished, wholeSuite, noSleep]
