"""The rule grammar: names, parser, canonical form, sentence, compiler, evaluator.

One tree serves all: what is parsed is counted, said in words and hashed. Amounts are minor units.
"""
