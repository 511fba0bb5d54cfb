//go:build unix && !linux

package dump

const mapPopulate = 0
