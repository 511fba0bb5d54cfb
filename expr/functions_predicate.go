package expr

const topicPredicate = "predicates"

// predicateFunctions take an expression for each element, in which # is the
// element and .name its member. The compiler makes their loops, so they have no Call.
var predicateFunctions = []Function{
	{
		Name: "filter", Signature: "filter(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "the elements for which the condition holds",
		Examples: []string{"netdevs() | filter(.rx_dropped > 0) | map(.name)", "1..10 | filter(# % 2 == 0)"},
	},
	{
		Name: "map", Signature: "map(LIST, EXPRESSION)", Topic: topicPredicate,
		Doc:      "what the expression makes of each element",
		Examples: []string{"netdevs() | map(.name)", "1..3 | map(# * #)"},
	},
	{
		Name: "count", Signature: "count(LIST[, CONDITION])", Topic: topicPredicate,
		Doc:      "for how many elements the condition holds; without one, how many there are (in expr-lang, how many are true)",
		Examples: []string{"netdevs() | count(.mtu == 1500)"},
	},
	{
		Name: "any", Signature: "any(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "whether the condition holds for one element or more",
		Examples: []string{"netdevs() | any(.name == 'bond0')"},
	},
	{
		Name: "all", Signature: "all(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "whether the condition holds for every element",
		Examples: []string{"netdevs() | all(.mtu >= 1500)"},
	},
	{
		Name: "none", Signature: "none(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "whether the condition holds for no element",
		Examples: []string{"netdevs() | none(.mtu == 0)"},
	},
	{
		Name: "one", Signature: "one(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "whether the condition holds for exactly one element",
		Examples: []string{"netdevs() | one(.name == 'lo')"},
	},
	{
		Name: "find", Signature: "find(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "the first element for which the condition holds, or nil",
		Examples: []string{"find(netdevs(), .rx_dropped > 0)?.name"},
	},
	{
		Name: "findIndex", Signature: "findIndex(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "the index of that element, or nil",
		Examples: []string{"findIndex([10, 20], # == 20)"},
	},
	{
		Name: "findLast", Signature: "findLast(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "the last element for which the condition holds, or nil",
		Examples: []string{"findLast([10, 20], # < 20)"},
	},
	{
		Name: "findLastIndex", Signature: "findLastIndex(LIST, CONDITION)", Topic: topicPredicate,
		Doc:      "the index of that element, or nil",
		Examples: []string{"findLastIndex([10, 20, 10], # == 10)"},
	},
	{
		Name: "sortBy", Signature: "sortBy(LIST, EXPRESSION[, 'asc' or 'desc'])", Topic: topicPredicate,
		Doc:      "the elements in the order of what the expression makes of them",
		Examples: []string{"netdevs() | sortBy(.rx_dropped, 'desc') | map(.name)"},
		Args:     []ArgKind{AnyArg, AnyArg, WordArg}, Words: oneOf("asc", "desc"),
	},
	{
		Name: "groupBy", Signature: "groupBy(LIST, EXPRESSION)", Topic: topicPredicate,
		Doc:      "a map from what the expression makes of the elements to lists of them",
		Examples: []string{"groupBy(1..5, # % 2)"},
	},
	{
		Name: "reduce", Signature: "reduce(LIST, EXPRESSION[, START])", Topic: topicPredicate,
		Doc:      "one result out of all elements; #acc is what there is so far",
		Examples: []string{"reduce(1..4, #acc * #, 1)"},
	},
}
