---@meta
-- Globals available to every script without `require`, in addition to the libraries of Lua 5.1, and
-- the functions that a script defines for the server.

--- Accepts every name and does nothing, because all modules are available. For old scripts.
---@param name string
function dynamic_loader(name) end

---@class nauthilus_builtin
---@field FEATURE_TRIGGER_NO boolean
---@field FEATURE_TRIGGER_YES boolean
---@field FEATURES_ABORT_NO boolean
---@field FEATURES_ABORT_YES boolean
---@field FEATURE_RESULT_OK integer
---@field FEATURE_RESULT_FAIL integer
---@field FEATURE_RESULT_YES integer the same as FEATURE_RESULT_OK
---@field FEATURE_RESULT_FAILURE integer the same as FEATURE_RESULT_FAIL
---@field FILTER_ACCEPT boolean
---@field FILTER_REJECT boolean
---@field FILTER_RESULT_OK integer
---@field FILTER_RESULT_FAIL integer
---@field ACTION_RESULT_OK integer
---@field ACTION_RESULT_FAIL integer
---@field BACKEND_RESULT_OK integer
---@field BACKEND_RESULT_FAIL integer
---@field BACKEND_RESULT_ERROR integer the same as BACKEND_RESULT_FAIL
---@field BACKEND_RESULT_NOT_FOUND integer the next backend is asked
---@field BACKEND_RESULT_DENIED integer no further backend is asked
nauthilus_builtin = {}

--- Adds a pair to the request's log line.
---@param key string
---@param value string|number|boolean
function nauthilus_builtin.custom_log_add(key, value) end

--- Sets the text that the client gets if the request is rejected. Features, backends and filters only.
---@param text string
function nauthilus_builtin.status_message_set(text) end

--- Another name for nauthilus_builtin.
---@type nauthilus_builtin
nauthilus = nauthilus_builtin

---@class nauthilus_backend_result_module
nauthilus_backend_result = {}

---@return nauthilus_backend_result
function nauthilus_backend_result.new() end

--- The result of a backend. Each method is a getter without an argument and a setter with one.
---@class nauthilus_backend_result
local Result = {}

---@param value? boolean
---@return boolean
function Result:authenticated(value) end

---@param value? boolean
---@return boolean
function Result:user_found(value) end

--- The name of the attribute that holds the account.
---@param name? string
---@return string
function Result:account_field(name) end

---@param name? string
---@return string
function Result:totp_secret_field(name) end

---@param name? string
---@return string
function Result:totp_recovery_field(name) end

---@param name? string
---@return string
function Result:unique_user_id_field(name) end

---@param name? string
---@return string
function Result:display_name_field(name) end

---@param credentials? string[]
---@return string[]
function Result:webauthn_credentials(credentials) end

---@param attributes? table<string, any>
---@return table<string, any>
function Result:attributes(attributes) end

--- The argument of entry functions. Every field is present; an empty one is "", false or 0.
---@class nauthilus_request
---@field account string
---@field account_field string
---@field allowed_client_grant_types string[]
---@field allowed_client_scopes string[]
---@field auth_login_attempt number
---@field authenticated boolean
---@field brute_force_bucket string
---@field brute_force_counter number
---@field brute_force_name string the same as brute_force_bucket
---@field client_hostname string
---@field client_id string
---@field client_ip string
---@field client_net string
---@field client_port string
---@field debug boolean
---@field display_name string
---@field feature string
---@field feature_name string the same as feature
---@field grant_type string
---@field http_status number
---@field latency number milliseconds
---@field local_ip string
---@field local_port string
---@field log_format string
---@field log_level string
---@field logging nauthilus_logging
---@field method string
---@field mfa_completed boolean
---@field mfa_method string
---@field no_auth boolean
---@field oidc_cid string
---@field oidc_client_name string
---@field password string
---@field protocol string
---@field redirect_uri string
---@field redis_prefix string
---@field repeating boolean
---@field requested_scopes string[]
---@field rwp boolean
---@field saml_entity_id string
---@field service string
---@field session string
---@field ssl string
---@field ssl_cipher string
---@field ssl_client_cn string
---@field ssl_client_dn string
---@field ssl_client_issuer_dn string
---@field ssl_client_not_after string
---@field ssl_client_not_before string
---@field ssl_client_subject_dn string
---@field ssl_client_verify string
---@field ssl_fingerprint string
---@field ssl_issuer string
---@field ssl_issuer_dn string
---@field ssl_protocol string
---@field ssl_serial string
---@field ssl_session_id string
---@field ssl_subject_dn string
---@field status_message string
---@field totp_recovery_codes? string[] only if there are codes
---@field totp_secret string
---@field unique_user_id string
---@field user_agent string
---@field user_found boolean
---@field user_groups string[]
---@field username string
---@field webauthn_credential string
---@field webauthn_old_credential string

---@class nauthilus_logging
---@field log_format string "default" or "json"
---@field log_level string "none", "error", "warn", "info" or "debug"

--- A script of `lua.features`: whether it triggers, whether the other features are skipped, a
--- result for the log.
---@alias nauthilus_call_feature fun(request: nauthilus_request): boolean, boolean, integer

--- A script of `lua.filters`: whether it rejects, a result for the log.
---@alias nauthilus_call_filter fun(request: nauthilus_request): boolean, integer

--- A script of `lua.actions`: a result for the log.
---@alias nauthilus_call_action fun(request: nauthilus_request): integer

--- A backend: a code, and its result.
---@alias nauthilus_backend_verify_password fun(request: nauthilus_request): integer, nauthilus_backend_result

--- A backend: a code, and all accounts.
---@alias nauthilus_backend_list_accounts fun(request: nauthilus_request): integer, string[]

--- A script of `lua.custom_hooks`, or an init script: the table that a hook returns as JSON.
---@alias nauthilus_run_hook fun(request: nauthilus_request, session: string): table?
