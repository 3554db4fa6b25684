---@meta nauthilus_prometheus

--- Metrics that scripts create and count in, shown on /metrics. Labels are a table, empty if there are none.
---@class nauthilus_prometheus
local nauthilus_prometheus = {}

--- Makes a counter known. Again: ignored.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_counter_vec(name, help, labels) end

--- Makes a gauge known.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_gauge_vec(name, help, labels) end

--- Makes a histogram of seconds known.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_histogram_vec(name, help, labels) end

--- Makes a sum and count of seconds known.
---@param name string
---@param help string
---@param labels? string[]
function nauthilus_prometheus.create_summary_vec(name, help, labels) end

--- Adds 1.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.increment_counter(name, labels) end

--- Makes the series exist.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.touch_counter(name, labels) end

--- Adds 1.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.increment_gauge(name, labels) end

--- Takes 1 off.
---@param name string
---@param labels table<string, any>
function nauthilus_prometheus.decrement_gauge(name, labels) end

--- Adds a number.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.add_gauge(name, value, labels) end

--- Takes a number off.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.sub_gauge(name, value, labels) end

--- Sets a number.
---@param name string
---@param value number
---@param labels table<string, any>
function nauthilus_prometheus.set_gauge(name, value, labels) end

--- Begins to measure.
---@param name string
---@param labels table<string, any>
---@return userdata timer
---@return nil
function nauthilus_prometheus.start_histogram_timer(name, labels) end

--- Begins to measure.
---@param name string
---@param labels table<string, any>
---@return userdata timer
---@return nil
function nauthilus_prometheus.start_summary_timer(name, labels) end

--- Observes the seconds since the start. May be called again.
---@param timer userdata
function nauthilus_prometheus.stop_timer(timer) end

return nauthilus_prometheus
