/**
 * Turns the tree of a SQL92 filter into a closure over a message's properties.
 *
 * The rules are RocketMQ's, odd ones included. Values are strings; a missing property is NULL; AND, OR and NOT are three-valued;
 * `missing = 'x'` is NULL but `'x' = missing` is FALSE. What Java would answer with an exception throws {@link FilterTrouble}
 * here: the message does not match.   RocketMQ: ComparisonExpression, UnaryExpression, LogicExpression.
 */
import type { Comparison, Literal, SqlNode, StringTest } from './parser.ts'

/** A message's property by name, undefined where it has none. */
export type PropertyLookup = (name: string) => string | undefined

/** A compiled condition: true, false or unknown. May throw {@link FilterTrouble}. */
export type Condition = (lookup: PropertyLookup) => boolean | null

/** An evaluation that RocketMQ answers with an exception. */
export class FilterTrouble extends Error {
  override readonly name: string = 'FilterTrouble'
}

/** What an operand evaluates to. Numbers come from literals alone, so their Java type is known when compiling. */
type Value = string | boolean | null | JavaNumber
type JavaNumber = {
  readonly type: 'int' | 'long' | 'double'
  readonly exact: bigint | undefined
  readonly value: number
}
type Operand = (lookup: PropertyLookup) => Value

/** Compiles a condition's tree. */
export function compileSql(tree: SqlNode): Condition {
  switch (tree.kind) {
    case 'and':
      return compileAnd(compileSql(tree.left), compileSql(tree.right))
    case 'or':
      return compileOr(compileSql(tree.left), compileSql(tree.right))
    case 'not': {
      const operand = compileSql(tree.operand)
      return lookup => {
        const value = operand(lookup)
        return value === null ? null : !value
      }
    }
    case 'compare':
      return compileComparison(tree.operator, compileOperand(tree.left), compileOperand(tree.right))
    case 'in':
      return compileIn(tree.name, new Set(tree.values), tree.isNegated)
    case 'test':
      return compileTest(tree.test, compileOperand(tree.operand), tree.search, tree.isNegated)
    case 'cast':
      return compileCast(compileOperand(tree.operand))
    case 'literal': {
      const value = tree.literal.type === 'boolean' ? tree.literal.value : null
      return () => value
    }
    default:
      return compileCast(compileOperand(tree))
  }
}

function compileAnd(left: Condition, right: Condition): Condition {
  return lookup => {
    const l = left(lookup)
    if (l === false) return false
    const r = right(lookup)
    if (r === false) return false
    return l === null || r === null ? null : true
  }
}

function compileOr(left: Condition, right: Condition): Condition {
  return lookup => {
    const l = left(lookup)
    if (l === true) return true
    const r = right(lookup)
    if (r === true) return true
    return l === null || r === null ? null : false
  }
}

/** A property where a condition stands: there is no property of type boolean, so it is false where it exists. */
function compileCast(operand: Operand): Condition {
  return lookup => {
    const value = operand(lookup)
    if (value === null) return null
    return value === true
  }
}

function compileIn(name: string, values: ReadonlySet<string>, isNegated: boolean): Condition {
  return lookup => {
    const value = lookup(name)
    return value === undefined ? null : values.has(value) !== isNegated
  }
}

/** Unlike the comparisons, a string test on a missing property is false, negated or not; and so is one for nothing. */
function compileTest(test: StringTest, operand: Operand, search: string, isNegated: boolean): Condition {
  if (search === '') return () => false
  return lookup => {
    const value = operand(lookup)
    if (typeof value !== 'string') return false
    if (test === 'CONTAINS') return value.includes(search) !== isNegated
    return (test === 'STARTSWITH' ? value.startsWith(search) : value.endsWith(search)) !== isNegated
  }
}

function compileOperand(node: SqlNode): Operand {
  if (node.kind === 'property') {
    const { name } = node
    return lookup => lookup(name) ?? null
  }
  if (node.kind === 'literal') {
    const value = literalValue(node.literal)
    return () => value
  }
  if (node.kind === 'negated') {
    const operand = compileOperand(node.operand)
    return lookup => negate(operand(lookup))
  }
  return compileSql(node)
}

function literalValue(literal: Literal): Value {
  switch (literal.type) {
    case 'null':
      return null
    case 'int':
      return { type: 'int', exact: BigInt(literal.value), value: literal.value }
    case 'long':
      return { type: 'long', exact: literal.value, value: Number(literal.value) }
    case 'double':
      return { type: 'double', exact: undefined, value: literal.value }
    default:
      return literal.value
  }
}

/** Only numbers have a negative; of a property, which is a string, it is NULL. */
function negate(value: Value): Value {
  if (value === null || typeof value !== 'object') return null
  return { type: value.type, exact: value.exact === undefined ? undefined : -value.exact, value: -value.value }
}

function compileComparison(operator: Comparison, left: Operand, right: Operand): Condition {
  if (operator === '=') return lookup => areEqual(left(lookup), right(lookup))
  return lookup => {
    const l = left(lookup)
    if (l === null) return null
    const r = right(lookup)
    if (r === null) return null
    const order =
      typeof l === 'string' && typeof r === 'string' ? compareDoubles(javaDouble(l), javaDouble(r)) : compare(l, r)
    switch (operator) {
      case '>':
        return order > 0
      case '>=':
        return order >= 0
      case '<':
        return order < 0
      default:
        return order <= 0
    }
  }
}

function areEqual(left: Value, right: Value): boolean | null {
  if (left === null) return right === null ? true : null
  if (right === null) return false
  return left === right || compare(left, right) === 0
}

/** Java's order of two values after RocketMQ's conversions; what has no order is less. */
function compare(left: Value, right: Value): number {
  if (typeof left === 'string') return compareString(left, right)
  if (typeof left === 'boolean') {
    if (typeof right === 'boolean') return Number(left) - Number(right)
    // RocketMQ casts the wrong side to a string here and fails.
    if (typeof right === 'string') throw new FilterTrouble('a boolean on the left of a property cannot be compared')
    return -1
  }
  if (left === null || right === null || typeof right === 'boolean') return -1
  return compareNumbers(left, typeof right === 'string' ? javaNumber(left.type, right) : right)
}

function compareString(left: string, right: Value): number {
  if (typeof right === 'string') return left < right ? -1 : Number(left > right)
  if (typeof right === 'boolean') return Number(left.toLowerCase() === 'true') - Number(right)
  if (right === null) return -1
  return compareNumbers(javaNumber(right.type, left), right)
}

function compareNumbers(left: JavaNumber, right: JavaNumber): number {
  if (left.exact !== undefined && right.exact !== undefined) {
    return left.exact < right.exact ? -1 : Number(left.exact > right.exact)
  }
  return compareDoubles(left.value, right.value)
}

/** Double.compareTo: NaN is above everything and equal to itself; -0 is below 0. */
function compareDoubles(left: number, right: number): number {
  if (left < right) return -1
  if (left > right) return 1
  if (Object.is(left, right)) return 0
  if (Number.isNaN(left)) return 1
  if (Number.isNaN(right)) return -1
  return Object.is(left, -0) ? -1 : 1
}

const INTEGER_TEXT = /^[+-]?\d{1,19}$/
const DOUBLE_TEXT = /^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$/
const LIMITS = {
  int: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  long: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
} as const

/** Integer.valueOf, Long.valueOf or Double.valueOf, whichever the other side asks for. */
function javaNumber(type: JavaNumber['type'], text: string): JavaNumber {
  if (type === 'double') return { type, exact: undefined, value: javaDouble(text) }
  if (!INTEGER_TEXT.test(text)) throw new FilterTrouble(`not a whole number: ${text}`)
  const exact = BigInt(text.startsWith('+') ? text.slice(1) : text)
  const { min, max } = LIMITS[type]
  if (exact < min || exact > max) throw new FilterTrouble(`not in the range of ${type}: ${text}`)
  return { type, exact, value: Number(exact) }
}

function javaDouble(text: string): number {
  // Java trims everything up to and including U+0020.
  const trimmed = text.trim()
  if (!DOUBLE_TEXT.test(trimmed)) throw new FilterTrouble(`not a number: ${text}`)
  return Number(trimmed.replace(/[fFdD]$/, ''))
}
