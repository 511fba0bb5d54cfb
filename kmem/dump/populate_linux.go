package dump

import "syscall"

// mapPopulate has the pages mapped at once, and not at a fault each.
const mapPopulate = syscall.MAP_POPULATE
