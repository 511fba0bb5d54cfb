//go:build race

package expr

// raceDetector makes everything an order of magnitude slower.
const raceDetector = true
