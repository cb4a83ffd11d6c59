package otel

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// WatchCache reads a cache's Metrics each time that metrics are read, until Close. name, such as "pages", tells caches apart.
func (t *Telemetry) WatchCache(name string, metrics func() revalidate.Metrics) error {
	var all error
	var instruments []metric.Observable
	counter := func(metricName, unit, description string) metric.Int64ObservableCounter {
		c, err := t.meter.Int64ObservableCounter("gatehouse.cache."+metricName, metric.WithUnit(unit), metric.WithDescription(description))
		all, instruments = errors.Join(all, err), append(instruments, c)
		return c
	}
	gauge := func(metricName, unit, description string) metric.Int64ObservableGauge {
		g, err := t.meter.Int64ObservableGauge("gatehouse.cache."+metricName, metric.WithUnit(unit), metric.WithDescription(description))
		all, instruments = errors.Join(all, err), append(instruments, g)
		return g
	}
	reads := counter("reads", "{read}", "Reads by result: hit, stale, miss, bypass.")
	counts := []struct {
		of    func(revalidate.Metrics) int64
		count metric.Int64ObservableCounter
	}{
		{func(m revalidate.Metrics) int64 { return m.Fills }, counter("fills", "{fill}", "Calls of fetch functions and handlers.")},
		{func(m revalidate.Metrics) int64 { return m.Refreshes }, counter("refreshes", "{refresh}", "Refreshes begun in the background.")},
		{func(m revalidate.Metrics) int64 { return m.RefreshErrors }, counter("refresh_errors", "{refresh}", "Refreshes that failed.")},
		{func(m revalidate.Metrics) int64 { return m.Invalidations }, counter("invalidations", "{invalidation}", "Calls that invalidated something.")},
		{func(m revalidate.Metrics) int64 { return m.StoreErrors }, counter("store_errors", "{error}", "Calls of the store that failed.")},
		{func(m revalidate.Metrics) int64 { return m.AnnounceErrors }, counter("announce_errors", "{error}", "Invalidations that were not announced.")},
		{func(m revalidate.Metrics) int64 { return m.Store.Evictions }, counter("evictions", "{entry}", "Entries dropped for room.")},
	}
	sizes := []struct {
		of   func(revalidate.Metrics) int64
		size metric.Int64ObservableGauge
	}{
		{func(m revalidate.Metrics) int64 { return int64(m.Store.Entries) }, gauge("entries", "{entry}", "Entries held.")},
		{func(m revalidate.Metrics) int64 { return m.Store.Bytes }, gauge("size", "By", "Size of the entries held.")},
		{func(m revalidate.Metrics) int64 { return int64(m.Marks) }, gauge("marks", "{name}", "Invalidated names that are remembered.")},
	}
	if all != nil {
		return all
	}
	cache := attribute.String("gatehouse.cache.name", name)
	named := metric.WithAttributeSet(attribute.NewSet(cache))
	return t.watch(func(_ context.Context, o metric.Observer) error {
		m := metrics()
		for result, n := range map[string]int64{"hit": m.Hits, "stale": m.Stale, "miss": m.Misses, "bypass": m.Bypasses} {
			o.ObserveInt64(reads, n, metric.WithAttributes(cache, resultKey.String(result)))
		}
		for _, c := range counts {
			o.ObserveInt64(c.count, c.of(m), named)
		}
		for _, s := range sizes {
			o.ObserveInt64(s.size, s.of(m), named)
		}
		return nil
	}, instruments...)
}
