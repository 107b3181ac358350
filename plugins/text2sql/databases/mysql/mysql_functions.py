"""The functions of MySQL and MariaDB that a SELECT may call: what computes, and nothing else.

No other function may be called, since the server may have some of its users' that do anything.
"""

from __future__ import annotations

import re

FORBIDDEN = re.compile(
    r"load_file|sleep|benchmark|.*_lock|.*_locks|is_(?:free|used)_lock|nextval|setval|lastval|next_value_for"
    r"|(?:master|source)_.*|wait_.*|wsrep_.*|.*gtid.*|last_insert_id|sys_.*|lib_mysqludf.*|ps_.*|mysql_.*"
    r"|(?:current_|session_|system_)?user|current_role|connection_id|encrypt|(?:old_)?password|name_const"
    r"|set_var|group_replication.*|keyring_.*|column_.*|http.*"
)
"""Functions that reach beyond the data, wait, lock, change something or tell about users."""

_WORDS = """
abs acos add_months adddate addtime aes_decrypt aes_encrypt and any_value array ascii asin atan atan2 avg
bin bin_to_uuid bit_and bit_count bit_length bit_or bit_xor case cast ceil ceiling char char_length
character_length chr coalesce coercibility collate collation columns compress concat concat_ws contains conv
convert convert_tz cos cot count crc32 crc32c cume_dist curdate current_date current_time current_timestamp
curtime database date date_add date_format date_sub datediff datetime day dayname dayofmonth dayofweek
dayofyear decode degrees dense_rank elt encode exists exp export_set extract extractvalue field filter
find_in_set first_value float format format_bytes format_pico_time found_rows from_base64 from_days
from_unixtime get_format greatest group_concat grouping hex hour if ifnull inet6_aton inet6_ntoa inet_aton
inet_ntoa insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull json_array
json_array_append json_array_insert json_array_intersect json_arrayagg json_compact json_contains
json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert
json_key_value json_keys json_length json_loose json_merge json_merge_patch json_merge_preserve
json_normalize json_object json_object_filter_keys json_object_to_array json_objectagg json_overlaps
json_pretty json_query json_quote json_remove json_replace json_schema_valid
json_schema_validation_report json_search json_set json_storage_free json_storage_size json_table json_type
json_unquote json_valid json_value lag last_day last_value lcase lead least left length lengthb like ln
locate localtime localtimestamp log log10 log2 lower lpad ltrim make_set makedate maketime match max
mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin md5
median microsecond mid min minute mod month monthname natural_sort_key now nth_value ntile nullif nvl nvl2 oct
octet_length or ord percent_rank percentile_cont percentile_disc period_add period_diff pi position pow
power quarter quote radians rand random_bytes rank regexp_instr regexp_like regexp_replace regexp_substr
repeat replace reverse right round row row_number rpad rtrim schema sec_to_time second sformat sha sha1 sha2
sign sin soundex space sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring
substring_index subtime sum sysdate tan time time_format time_to_sec timediff timestamp timestampadd
timestampdiff to_base64 to_char to_days to_seconds trim truncate ucase uncompress uncompressed_length unhex
unix_timestamp updatexml upper utc_date utc_time utc_timestamp uuid uuid_to_bin values var_pop var_samp
variance vec_distance vec_distance_cosine vec_distance_euclidean vec_fromtext vec_totext version week weekday
weekofyear weight_string xor year yearweek
"""
_SPATIAL = re.compile(
    r"st_.*|point|linestring|polygon|multi(?:point|linestring|polygon)|geometrycollection"
    r"|(?:geometry|point|line|poly|geom)\w*from(?:text|wkb)|as(?:text|wkt|wkb|binary)"
)
_KNOWN = frozenset(_WORDS.split())


def known(function: str) -> bool:
    """Whether a function, by its name in small letters, is one of the server's own that compute."""
    return function in _KNOWN or _SPATIAL.fullmatch(function) is not None
